//! `loki verify` and `loki rebuild`, over HTTP and with an implementation of the binary's.

use async_trait::async_trait;
use loki_cli::operations::{Built, Difference, Finding, OnFinding, OnProgress, Store};
use loki_cli::{Exit, Failure, Operations};

use crate::run::{Run, check, loki};
use crate::scripted::{Answer, Scripted};

const VERIFY: &str = "POST /v1/operations/verify";
const EQUAL: &str = r#"{"store":"mysql","equal":true,"entries":1234}"#;
const HISTORY_EQUAL: &str = r#"{"store":"history","equal":true,"entries":99}"#;
const TREE_EQUAL: &str = r#"{"store":"zookeeper","equal":true,"entries":7}"#;
/// The others, as they are told behind it.
const REST_EQUAL: &str = r#"{"store":"cdn_system","equal":true,"entries":2}
{"store":"opentsdb","equal":true,"entries":5}
{"store":"task_logs","equal":true,"entries":3}"#;
const MISSING: &str = r#"{"store":"zookeeper","difference":"missing","key":"node/01","log":{"id":"01","name":"a"},"stored":null}"#;

#[tokio::test]
async fn equal_stores() {
    let api = Scripted::new([(
        VERIFY,
        vec![Answer::ok("").pieces(&[&EQUAL[..10], &EQUAL[10..], "\n", HISTORY_EQUAL, "\n", TREE_EQUAL, "\n", REST_EQUAL])],
    )])
    .await;
    let text = "mysql: equal, 1234 entries\nhistory: equal, 99 entries\nzookeeper: equal, 7 entries\ncdn_system: equal, 2 entries\nopentsdb: equal, 5 entries\ntask_logs: equal, 3 entries\n";
    check(&api.api, &["verify"], text).await;
    check(&api.api, &["verify", "-o", "json"], &format!("{EQUAL}\n{HISTORY_EQUAL}\n{TREE_EQUAL}\n{REST_EQUAL}\n")).await;
}

#[tokio::test]
async fn differences() {
    let different = r#"{"store":"zookeeper","difference":"different","key":"node/02","log":{"id":"02"},"stored":{"id":"03"}}"#;
    let rest = r#"{"store":"zookeeper","equal":false,"entries":7,"position":"f9"}
{"error":"history: away"}"#;
    let body = format!("{REST_EQUAL}\n{EQUAL}\n{MISSING}\n{different}\n{rest}\n");
    let api = Scripted::new([(VERIFY, vec![Answer::ok(&body)])]).await;
    let ran = loki(&api.api, &["verify"]).await;
    let expected = "\
cdn_system: equal, 2 entries
opentsdb: equal, 5 entries
task_logs: equal, 3 entries
mysql: equal, 1234 entries
zookeeper: missing node/01
  log     {\"id\":\"01\",\"name\":\"a\"}
zookeeper: different node/02
  log     {\"id\":\"02\"}
  stored  {\"id\":\"03\"}
zookeeper: not equal, 7 entries
not compared: history: away
";
    let told = "error: not compared to the end: history: look into the server's log, and verify again\n";
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (Exit::Failed, expected, told));

    let body = format!("{REST_EQUAL}\n{EQUAL}\n{HISTORY_EQUAL}\n{MISSING}\n{}\n", TREE_EQUAL.replace("true", "false"));
    let api = Scripted::new([(VERIFY, vec![Answer::ok(&body)])]).await;
    let ran = loki(&api.api, &["verify", "--quiet"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, ""));
}

/// What compares the stores may die between two of them; the answer ends well all the same.
#[tokio::test]
async fn a_store_that_was_not_compared_is_no_success() {
    let partial = format!("{EQUAL}\n{HISTORY_EQUAL}\n");
    let api = Scripted::new([(VERIFY, vec![Answer::ok(format!("{EQUAL}\n")), Answer::ok(partial)])]).await;
    for missing in ["cdn_system, history, opentsdb, task_logs, zookeeper", "cdn_system, opentsdb, task_logs, zookeeper"] {
        let ran = loki(&api.api, &["verify"]).await;
        assert!(ran.exit == Exit::Failed && ran.err.contains(&format!("to the end: {missing}: ")), "{missing}: {ran:?}");
    }
}

/// An answer that was cut off, or says nothing, is no proof of equality.
#[tokio::test]
async fn half_an_answer_is_an_error() {
    let cut = Answer::ok("").pieces(&[EQUAL, "\n"]).breaking();
    let api = Scripted::new([(VERIFY, vec![cut, Answer::ok(""), Answer::ok(format!("{EQUAL}\n{{\"store\":1}}\n"))])]).await;
    for told in ["broke", "not compared to the end: cdn_system, history, mysql, opentsdb, task_logs, zookeeper", "cannot be read"] {
        let ran = loki(&api.api, &["verify"]).await;
        assert!(ran.exit == Exit::Failed && ran.err.contains(told), "{told}: {ran:?}");
    }
}

#[tokio::test]
async fn a_process_without_operations_says_so() {
    let api = Scripted::new([]).await;
    let ran = loki(&api.api, &["verify"]).await;
    assert!(ran.exit == Exit::NotFound && ran.err.contains("LOKI__BACKENDS=real"), "{ran:?}");
    let ran = loki(&api.api, &["rebuild", "mysql", "--yes"]).await;
    assert!(ran.exit == Exit::NotFound && ran.out.is_empty(), "{ran:?}");
}

const MYSQL: &str = "/v1/operations/rebuild/mysql";
const HISTORY: &str = "/v1/operations/rebuild/history";
const TASK_LOGS: &str = "/v1/operations/rebuild/task_logs";

fn asked(request: u64) -> Vec<Answer> {
    vec![Answer::new(202, serde_json::json!({ "request": request }).to_string())]
}

fn rebuilding(wanted: u64, rebuilt: u64, at: Option<u64>) -> Answer {
    Answer::ok(serde_json::json!({"wanted": wanted, "rebuilt": rebuilt, "position": at, "end": at.map(|_| 10)}).to_string())
}

/// State, history and the logs of tasks are all in MySQL; each is done when its own request is answered, whatever was rebuilt before.
#[tokio::test]
async fn a_rebuild_is_followed_until_its_request_is_answered() {
    let api = Scripted::new([
        (&format!("POST {MYSQL}"), asked(3)),
        (&format!("POST {HISTORY}"), asked(1)),
        (&format!("POST {TASK_LOGS}"), asked(1)),
        (&format!("GET {TASK_LOGS}"), vec![rebuilding(1, 1, None)]),
        (
            &format!("GET {MYSQL}"),
            vec![rebuilding(3, 2, None), rebuilding(3, 2, Some(4)), rebuilding(3, 2, Some(8)), rebuilding(4, 3, Some(0))],
        ),
        (&format!("GET {HISTORY}"), vec![rebuilding(1, 0, None), rebuilding(1, 0, Some(1)), rebuilding(1, 1, None)]),
    ])
    .await;
    let ran = loki(&api.api, &["rebuild", "mysql", "--yes"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "mysql is rebuilt\n"));
    assert_eq!(ran.err, "rebuilding: 5 of 20\nrebuilding: 8 of 10\n");
    let lines = api.lines();
    assert_eq!(lines[..3], [format!("POST {MYSQL}"), format!("POST {HISTORY}"), format!("POST {TASK_LOGS}")]);
    assert_eq!(lines.iter().filter(|line| **line == format!("GET {MYSQL}")).count(), 4, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| **line == format!("GET {HISTORY}")).count(), 3, "{lines:?}");
}

#[tokio::test]
async fn a_restart_forgets_the_request() {
    let api = Scripted::new([
        (&format!("POST {HISTORY}"), asked(2)),
        (&format!("GET {HISTORY}"), vec![rebuilding(2, 1, None), rebuilding(0, 0, None)]),
    ])
    .await;
    let ran = loki(&api.api, &["rebuild", "history", "--yes"]).await;
    assert!(ran.exit == Exit::Failed && ran.err.contains("the process was restarted") && ran.out.is_empty(), "{ran:?}");
}

#[tokio::test]
async fn a_rebuild_that_does_not_end_in_time() {
    let api = Scripted::new([(&format!("POST {HISTORY}"), asked(1)), (&format!("GET {HISTORY}"), vec![rebuilding(1, 0, Some(3))])]).await;
    let ran = loki(&api.api, &["rebuild", "history", "--yes", "--timeout", "300ms", "--quiet"]).await;
    let told = "error: `history` is not built after 300ms: the rebuild goes on without this command\n";
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Timeout, told));
    let ran = loki(&api.api, &["rebuild", "history"]).await;
    assert_eq!(ran.exit, Exit::Usage, "nobody was asked");
    let posts = api.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 1);
}

/// As the binary has for the real set.
struct Local;

#[async_trait]
impl Operations for Local {
    async fn verify(&self, on_finding: &mut OnFinding<'_>) -> Result<(), Failure> {
        on_finding(Finding::Compared { store: "mysql".to_owned(), equal: true, entries: 3 })?;
        let key = "node/01".to_owned();
        on_finding(Finding::Difference { store: "history".to_owned(), difference: Difference::Extra, key, log: None, stored: None })
    }

    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<Option<i64>, Failure> {
        on_progress(Built { done: 1, of: 2 });
        match store {
            Store::Zookeeper => Ok(None),
            _ => Err(Failure::new(Exit::Conflict, "it is being built already")),
        }
    }
}

#[tokio::test]
async fn the_binary_brings_its_own_operations() {
    let nowhere = "http://127.0.0.1:1";
    let ran = Run::new(nowhere, &["verify"]).operations(&Local).ran().await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Failed, "mysql: equal, 3 entries\nhistory: extra node/01\n"));
    let ran = Run::new(nowhere, &["rebuild", "zookeeper", "--yes", "-o", "json"]).operations(&Local).ran().await;
    assert_eq!(
        (ran.exit, ran.out.as_str(), ran.err.as_str()),
        (Exit::Ok, "{\"rebuilt\":true,\"store\":\"zookeeper\"}\n", "rebuilding: 1 of 2\n")
    );
    let ran = Run::new(nowhere, &["rebuild", "history", "--yes", "--quiet"]).operations(&Local).ran().await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Conflict, "error: it is being built already\n"));
}
