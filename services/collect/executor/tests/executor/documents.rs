//! Which documents are carried out, and in what order.

use std::path::Path;
use std::time::Duration;

use loki_domain::{ServerId, Signature};
use loki_executor::{Accepted, Error, Executor, Outcome, Step};
use loki_runtime::{Shutdown, task};
use loki_testing::shell::wait_for;
use loki_wire::signature::Secret;
use loki_wire::task::{self as wire, Wanted};

use crate::host::{Host, NOW_MS, Package, config, document, failure, nothing, run, signed, until};

fn code(host: &Host, document: &wire::Document, now_ms: i64) -> &'static str {
    let (text, signature) = signed(document);
    host.executor.accept(&text, &signature, now_ms).map_or_else(|refused| refused.code(), |_| "accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_or_for_another_or_too_late_is_refused() {
    let host = Host::new();
    let good = document(1, 1, nothing());
    let (text, signature) = signed(&good);
    let forged = |text: &str, signature: &Signature| host.executor.accept(text, signature, NOW_MS).unwrap_err().code();
    assert_eq!(forged(&text.replace("web", "api"), &signature), "forged");
    assert_eq!(forged(&text, &wire::sign(&Secret::new([8; 32]), text.as_bytes())), "forged");
    let garbage = "{}";
    assert_eq!(forged(garbage, &wire::sign(&crate::host::secret(), garbage.as_bytes())), "unreadable");
    let outside = document(1, 1, Wanted::Nothing { name: "../web".to_owned() });
    assert_eq!(code(&host, &outside, NOW_MS), "unreadable");
    let other = wire::Document { server: ServerId::MAX.to_string(), ..good.clone() };
    assert_eq!(code(&host, &other, NOW_MS), "not_ours");
    assert_eq!(code(&host, &good, good.expires_ms), "expired");
    assert_eq!(code(&host, &good, good.expires_ms - 1), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_attempt_is_not_carried_out_again() {
    let host = Host::new();
    let (one, two) = (document(1, 1, Package::new("1.0").wanted(&host)), document(1, 2, nothing()));
    assert_eq!(host.carry_out(&one).await, Outcome::Succeeded);
    assert_eq!(host.carry_out(&two).await, Outcome::Succeeded);
    assert_eq!(code(&host, &one, NOW_MS), "replayed");
    // the newest has ended, which is told also when it is asked late
    let (text, signature) = signed(&two);
    let late = host.executor.accept(&text, &signature, two.expires_ms + 1);
    assert!(matches!(late, Ok(Accepted::Ended(Outcome::Succeeded))), "{late:?}");
    // one attempt means one thing, whenever it ends
    assert_eq!(code(&host, &document(1, 2, Package::new("1.0").wanted(&host)), NOW_MS), "replayed");
    assert_eq!(code(&host, &wire::Document { expires_ms: two.expires_ms + 9, ..two }, NOW_MS), "accepted");
    assert_eq!(host.serves(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_package_has_one_task_at_a_time() {
    let host = Host::new();
    let waits = &wait_for(Path::new("$LOKI_SHARED_DIR/go"));
    let first = document(1, 1, Package::new("1.0").hook("start", waits).wanted(&host));
    let overtaken = document(2, 1, Package::new("2.0").wanted(&host));
    let expiring = wire::Document { expires_ms: NOW_MS + 50, ..document(3, 1, Package::new("3.0").wanted(&host)) };
    let next = document(2, 2, Package::new("4.0").wanted(&host));
    let beside = document(4, 1, Wanted::Script { script: "true".to_owned(), user: None, output_bytes_max: 10 });
    let begin = |document: &wire::Document| {
        let (executor, task) = (host.executor.clone(), host.task(document));
        task::spawn("task", async move { executor.carry_out(&task, |_, _| {}, &Shutdown::new()).await })
    };
    let first = begin(&first);
    until("the first has begun", || host.log().last().is_some_and(|line| line == "1.0 start")).await;
    let (overtaken, expiring) = (begin(&overtaken), begin(&expiring));
    let next = begin(&next);
    assert_eq!(host.carry_out(&beside).await, Outcome::Succeeded, "a script waits for no package");
    task::sleep(Duration::from_millis(60)).await;
    assert!(!first.is_finished() && !next.is_finished());
    std::fs::write(host.shared("go"), "").unwrap();
    assert_eq!(first.await.unwrap(), Some(Outcome::Succeeded));
    assert_eq!(failure(&overtaken.await.unwrap().unwrap()), (Step::Fetch, "it was replaced by attempt 2 before it began"));
    assert_eq!(failure(&expiring.await.unwrap().unwrap()), (Step::Fetch, "it expired while it waited for another task"));
    assert_eq!(next.await.unwrap(), Some(Outcome::Succeeded));
    assert_eq!(host.log()[4..], ["4.0 prepare", "1.0 stop", "4.0 start", "4.0 test", "4.0 finish"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_is_ended_before_the_next_and_expires_no_more() {
    let host = Host::new();
    let waits = &wait_for(Path::new("$LOKI_SHARED_DIR/go"));
    let first = document(1, 1, Package::new("1.0").hook("start", waits).wanted(&host));
    let (stop, executor, task) = (Shutdown::new(), host.executor.clone(), host.task(&first));
    let (stopped, begun) = (stop.clone(), task.clone());
    let going = task::spawn("task", async move { executor.carry_out(&begun, |_, _| {}, &stopped).await });
    until("the first has begun", || host.log().last().is_some_and(|line| line == "1.0 start")).await;
    stop.begin();
    assert_eq!(going.await.unwrap(), None);
    assert_eq!(host.executor.begun(NOW_MS).unwrap().iter().map(|task| task.run).collect::<Vec<_>>(), [task.run]);
    assert_eq!(code(&host, &first, first.expires_ms + 1), "accepted");
    std::fs::write(host.shared("go"), "").unwrap();
    assert_eq!(host.carry_out(&document(2, 1, Package::new("2.0").wanted(&host))).await, Outcome::Succeeded);
    let lines = ["1.0 prepare", "1.0 start", "1.0 test", "1.0 finish", "2.0 prepare", "1.0 stop", "2.0 start", "2.0 test", "2.0 finish"];
    assert_eq!(host.log(), lines);
    assert!(matches!(host.take(&first), Accepted::Ended(Outcome::Succeeded)));
    assert!(host.executor.begun(NOW_MS).unwrap().is_empty());
}

#[test]
fn a_root_belongs_to_one_process() {
    let host = Host::new();
    let taken = Executor::open(config(&host.path().join("root")));
    assert!(matches!(taken, Err(Error::RootTaken { .. })), "{:?}", taken.err());
    assert!(matches!(Executor::open(config("root".as_ref())), Err(Error::Config(_))));
}

/// A process that is about to become a hook has a copy of everything that is open, the lock too, for a moment; its parent may be killed in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_about_to_go_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    drop(Executor::open(config(&root)).unwrap());
    let held = std::fs::File::open(root.join(".lock")).unwrap();
    held.try_lock().unwrap();
    let opened = task::spawn_blocking("open", move || Executor::open(config(&root)).err());
    task::sleep(Duration::from_millis(100)).await;
    drop(held);
    let error = opened.await.unwrap();
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_keeps_no_other_from_anything() {
    let host = Host::new();
    let root = host.path().join("root");
    let script = |number| document(number, 1, Wanted::Script { script: "true".to_owned(), user: None, output_bytes_max: 10 });
    // begun both, and one of them torn
    for number in [1, 2] {
        let begun = host.task(&script(number));
        let attempt = root.join(".tasks").join(begun.run.to_string()).join("1");
        let progress = r#"{"begun_ms":1,"at":"script","before":null,"is_there":false,"back":null,"ended":null}"#;
        std::fs::write(attempt.join("progress.json"), if number == 1 { "{" } else { progress }).unwrap();
    }
    std::fs::write(root.join(".tasks").join(run(9).to_string()), "no folder").unwrap();
    assert_eq!(host.executor.begun(NOW_MS).unwrap().iter().map(|task| task.run).collect::<Vec<_>>(), [run(2)]);
    assert_eq!(host.carry_out(&script(3)).await, Outcome::Succeeded);
    assert_eq!(host.executor.ended_unshipped().unwrap(), [(run(3), 1)]);
    let (text, signature) = signed(&script(1));
    let refused = host.executor.accept(&text, &signature, NOW_MS).unwrap_err();
    assert!(refused.code() == "journal" && refused.to_string().contains("progress.json` is not what was written there"), "{refused}");
    assert!(refused.to_string().ends_with(": remove it"), "{refused}");
    std::fs::write(host.path().join("root/.server"), "no id").unwrap();
    assert_eq!(Executor::last_server(&root).unwrap(), None);
    std::fs::write(host.path().join("root/.server"), "\"no id\"").unwrap();
    assert_eq!(Executor::last_server(&root).unwrap(), None);
    std::fs::create_dir(host.web()).unwrap();
    std::fs::write(host.web().join(".begun"), "").unwrap();
    let outcome = host.carry_out(&document(4, 1, nothing())).await;
    assert!(
        failure(&outcome).1.contains(".begun` is not what was written there") && failure(&outcome).1.ends_with(": remove it"),
        "{outcome:?}"
    );
}
