//! Tasks are carried out once and their ends told, whatever becomes of the API and of the agent.

use std::path::Path;
use std::time::Duration;

use loki_agent::{Config, Deploys, Limits};
use loki_domain::{PackageId, RunId};
use loki_runtime::Clock;
use loki_testing::shell::wait_for;
use loki_wire::digest::{sha256, to_hex};
use loki_wire::fact::v1::deploy::Manifest;
use loki_wire::signature::Secret;
use loki_wire::task::{self as wire, Document, Release, Wanted};
use serde_json::{Value, json};

use crate::agent::{Running, config, free_address, start, until};
use crate::stub::{SERVER, Stub};

pub(crate) fn secret() -> Secret {
    Secret::new([5; 32])
}

pub(crate) fn script(run: RunId, lines: &str) -> Document {
    let wanted = Wanted::Script { script: lines.to_owned(), user: None, output_bytes_max: 1 << 10 };
    let (run, server) = (run.to_string(), SERVER.to_owned());
    Document { run, server, attempt: 1, expires_ms: Clock::system().now_ms() + 600_000, timeout_ms: 60_000, wanted }
}

pub(crate) fn give(stub: &Stub, document: &Document, by: &Secret) {
    let text = serde_json::to_string(document).unwrap();
    let signature = wire::sign(by, text.as_bytes()).to_string();
    let mut seen = stub.seen();
    seen.tasks.push((text, signature));
    seen.fact += 1;
}

pub(crate) fn with_tasks(config: Config, folder: &Path) -> Config {
    let deploys = Deploys { root: folder.join("deploys"), keys: vec![secret().public()], minisign: None, limits: Limits::default() };
    Config { deploys: Some(deploys), refresh: Duration::from_secs(300), ..config }
}

pub(crate) async fn running(stub: &Stub, folder: &Path) -> Running {
    let (address, _) = stub.listen(free_address()).await;
    let agent = start(with_tasks(config(address, &folder.join("spool")), folder));
    agent.is_ready().await;
    agent
}

fn reports(stub: &Stub) -> Vec<Value> {
    stub.seen().commands.iter().filter(|(kind, _)| kind == "run.report").map(|(_, data)| data.clone()).collect()
}

pub(crate) fn a_success_is_told(stub: &Stub) -> bool {
    reports(stub).iter().any(|report| report["state"] == "succeeded")
}

pub(crate) fn counts(path: &Path) -> String {
    format!("echo ran >>{}", path.display())
}

pub(crate) fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_task_is_carried_out_once_and_its_end_told() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MIN, &counts(&counter)), &secret());
    give(&stub, &script(RunId::MAX, "echo no >&2; exit 3"), &secret());
    until("both are told", || reports(&stub).len() == 2).await;
    let mut told = reports(&stub);
    told.sort_by_key(ToString::to_string);
    let report = |run: RunId| json!({ "run": run.to_string(), "server": SERVER, "attempt": 1, "state": "succeeded" });
    let failed = told.iter().find(|told| told["state"] == "failed").unwrap();
    assert_eq!((&failed["run"], &failed["step"]), (&json!(RunId::MAX.to_string()), &json!("script")));
    assert!(failed["message"].as_str().unwrap().contains('3'), "{failed}");
    assert!(told.contains(&report(RunId::MIN)), "{told:?}");
    // from the first answer on it asks by the id, and says what it has
    until("it waits", || stub.seen().asked_tasks.last().unwrap() == &format!("id:{SERVER}?seen=f2&wait=30000ms")).await;
    assert_eq!(stub.seen().asked_tasks[0], "web01?");
    agent.stop().await;

    // the tasks are still among those that are open: their ends are told again, and nothing runs again
    let agent = running(&stub, folder.path()).await;
    until("both are told again", || reports(&stub).len() >= 4).await;
    agent.stop().await;
    assert_eq!(lines(&counter), 1);
}

#[tokio::test]
async fn what_no_key_has_signed_is_not_carried_out() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let count = counts(&counter);
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MIN, &count), &Secret::new([6; 32]));
    let other = Document { server: "fedcba9876543210".to_owned(), ..script(RunId::MIN, &count) };
    give(&stub, &other, &secret());
    let late = Document { expires_ms: 1, ..script(RunId::MIN, &count) };
    give(&stub, &late, &secret());
    give(&stub, &script(RunId::MAX, "true"), &secret());
    until("the good one is told", || !reports(&stub).is_empty()).await;
    assert_eq!(reports(&stub).iter().map(|report| &report["run"]).collect::<Vec<_>>(), [&json!(RunId::MAX.to_string())]);
    agent.stop().await;
    assert_eq!(lines(&counter), 0);
}

#[tokio::test]
async fn an_end_that_cannot_be_told_is_told_later() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let agent = running(&stub, folder.path()).await;
    stub.seen().reports_fail = true;
    give(&stub, &script(RunId::MIN, &counts(&counter)), &secret());
    until("it has run", || lines(&counter) == 1).await;
    agent.kill().await;
    stub.seen().reports_fail = false;
    let agent = running(&stub, folder.path()).await;
    until("it is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
    assert_eq!(lines(&counter), 1);
}

#[tokio::test]
async fn what_was_begun_is_gone_on_with_while_the_api_is_away() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (begun, counter, gate) = (folder.path().join("begun"), folder.path().join("counter"), folder.path().join("gate"));
    let until_gate = wait_for(&gate);
    let text = format!("echo begun >>{}; {until_gate}; {}", begun.display(), counts(&counter));
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MIN, &text), &secret());
    until("it has begun", || lines(&begun) == 1).await;
    agent.kill().await;

    // nobody listens where this one asks
    let away = start(with_tasks(config(free_address(), &folder.path().join("spool")), folder.path()));
    std::fs::write(&gate, "").unwrap();
    let progress = folder.path().join("deploys/.tasks").join(RunId::MIN.to_string()).join("1/progress.json");
    let ended = || std::fs::read_to_string(&progress).is_ok_and(|text| text.contains("succeeded"));
    until("it has ended", ended).await;
    away.kill().await;
    assert_eq!((lines(&begun), lines(&counter)), (1, 1));

    let agent = running(&stub, folder.path()).await;
    until("it is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
    assert_eq!(lines(&counter), 1);
}

#[tokio::test]
async fn a_server_that_was_registered_anew_gets_its_tasks() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let root = folder.path().join("deploys");
    std::fs::create_dir_all(&root).unwrap();
    // as the process before knew it
    std::fs::write(root.join(".server"), "\"fedcba9876543210\"").unwrap();
    let agent = running(&stub, folder.path()).await;
    give(&stub, &script(RunId::MIN, &counts(&counter)), &secret());
    until("it has run", || lines(&counter) == 1).await;
    agent.stop().await;
    assert_eq!(std::fs::read_to_string(root.join(".server")).unwrap(), format!("\"{SERVER}\""));
}

/// Its new release does not start, and takes its time to stop.
fn failing_release(folder: &Path, gate: &Path) -> Document {
    let (root, archive) = (folder.join("release"), folder.join("release.tar"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("version"), "1.0").unwrap();
    let packed = std::process::Command::new("tar").args(["--format=ustar", "-cf"]).arg(&archive).arg("-C").arg(&root).arg(".").status();
    assert!(packed.unwrap().success());
    let bytes = std::fs::read(&archive).unwrap();
    let stop = wait_for(gate);
    let hooks = [("start", "echo no port; exit 4".to_owned()), ("stop", stop)].map(|(name, lines)| (name.to_owned(), lines)).into();
    let wanted = Wanted::Release(Box::new(Release {
        name: "web".to_owned(),
        release: PackageId::MIN.to_string(),
        version: "1.0".to_owned(),
        url: format!("file://{}", archive.display()),
        sha256: to_hex(&sha256(&[&bytes])),
        size: bytes.len() as u64,
        minisign: None,
        manifest: Manifest { hooks, user: None, unit: None, health: None },
    }));
    Document { wanted, ..script(RunId::MIN, "") }
}

#[tokio::test]
async fn why_a_deploy_has_failed_is_told_before_the_host_has_gone_back() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let gate = folder.path().join("gate");
    let agent = running(&stub, folder.path()).await;
    // the first time it cannot be told
    stub.seen().reports_fail = true;
    give(&stub, &failing_release(folder.path(), &gate), &secret());
    let stopping = folder.path().join("deploys/.tasks").join(RunId::MIN.to_string()).join("1/back-stop.0");
    until("it goes back", || stopping.is_dir()).await;
    stub.seen().reports_fail = false;
    let why = "`start` ended with 4: no port";
    let report = |state: &str, message: &str| json!({ "run": RunId::MIN.to_string(), "server": SERVER, "attempt": 1, "state": state, "step": "start", "message": message });
    until("it is told", || reports(&stub) == [report("running", why)]).await;
    std::fs::write(&gate, "").unwrap();
    until("its end is told", || reports(&stub).len() > 1).await;
    assert_eq!(reports(&stub), [report("running", why), report("failed", &format!("{why}; nothing serves, as before"))]);
    agent.stop().await;
}

const ANEW: &str = "fedcba9876543210";

fn of(server: &str, document: Document) -> Document {
    Document { server: server.to_owned(), ..document }
}

/// An agent that asks all the time who has its name, and carries out a task that waits for the file `gate`; `begun` has a line for each beginning.
async fn at_work(stub: &Stub, folder: &Path) -> Running {
    let (address, _) = stub.listen(free_address()).await;
    let refresh = Duration::from_millis(50);
    let agent = start(Config { refresh, ..with_tasks(config(address, &folder.join("spool")), folder) });
    let begun = folder.join("begun");
    let until_gate = format!("echo begun >>{}; {}", begun.display(), wait_for(&folder.join("gate")));
    give(stub, &script(RunId::MIN, &until_gate), &secret());
    until("it has begun", || lines(&begun) == 1).await;
    agent
}

async fn until_asked_by_name(stub: &Stub) {
    let before = stub.seen().asked_tasks.len();
    until("it is asked by name", || stub.seen().asked_tasks[before..].iter().filter(|asked| asked.starts_with("web01?")).count() > 1).await;
}

/// Retired, and registered under its name once more, while it works and while another task of its package waits.
#[tokio::test]
async fn who_has_the_name_is_asked_again_and_again() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (gate, counter) = (folder.path().join("gate"), folder.path().join("counter"));
    let agent = at_work(&stub, folder.path()).await;
    // of one run there is one attempt at a time: this one waits
    give(&stub, &Document { attempt: 2, ..script(RunId::MIN, &counts(&counter)) }, &secret());
    let waits = folder.path().join("deploys/.tasks").join(RunId::MIN.to_string()).join("2/document.json");
    until("the next is accepted", || waits.exists()).await;
    {
        let mut seen = stub.seen();
        (seen.server, seen.fact) = (Some(ANEW), seen.fact + 1);
        seen.tasks.clear();
    }
    give(&stub, &of(ANEW, script(RunId::MAX, &counts(&counter))), &secret());
    until_asked_by_name(&stub).await;
    assert_eq!(lines(&counter), 0, "what was begun ends first");
    std::fs::write(&gate, "").unwrap();
    until("both are told", || reports(&stub).len() == 2).await;
    let told: Vec<_> = reports(&stub).iter().map(|told| (told["run"].clone(), told["server"].clone(), told["attempt"].clone())).collect();
    assert_eq!(told, [(json!(RunId::MIN.to_string()), json!(SERVER), json!(1)), (json!(RunId::MAX.to_string()), json!(ANEW), json!(1))]);
    agent.stop().await;
    assert_eq!(lines(&counter), 1, "what only waited is the other server's");
    assert_eq!(std::fs::read_to_string(folder.path().join("deploys/.server")).unwrap(), format!("\"{ANEW}\""));
}

/// As when a server is renamed by mistake: what waited is not lost.
#[tokio::test]
async fn a_name_that_comes_back_has_its_tasks() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let (begun, gate, counter) = (folder.path().join("begun"), folder.path().join("gate"), folder.path().join("counter"));
    let agent = at_work(&stub, folder.path()).await;
    stub.seen().server = Some(ANEW);
    until_asked_by_name(&stub).await;
    stub.seen().server = None;
    give(&stub, &script(RunId::MAX, &counts(&counter)), &secret());
    until("it is told beside the one that goes on", || a_success_is_told(&stub)).await;
    std::fs::write(&gate, "").unwrap();
    agent.stop().await;
    assert_eq!((lines(&begun), lines(&counter)), (1, 1));
}

#[tokio::test]
async fn what_the_journal_could_not_take_is_handed_in_again() {
    let (stub, folder) = (Stub::default(), tempfile::tempdir().unwrap());
    let counter = folder.path().join("counter");
    let agent = running(&stub, folder.path()).await;
    until("it waits", || stub.seen().asked_tasks.last().is_some_and(|asked| asked.contains("seen="))).await;
    // a file in the place of the run's folder: nothing can be kept of it
    let run = folder.path().join("deploys/.tasks").join(RunId::MIN.to_string());
    std::fs::write(&run, "").unwrap();
    give(&stub, &script(RunId::MIN, &counts(&counter)), &secret());
    let asked = || stub.seen().asked_tasks.iter().filter(|asked| asked.as_str() == format!("id:{SERVER}?")).count();
    until("it asks again for all", || asked() > 1).await;
    std::fs::remove_file(&run).unwrap();
    until("it is told", || a_success_is_told(&stub)).await;
    agent.stop().await;
    assert_eq!(lines(&counter), 1);
}
