//! `loki verify` and `loki rebuild`, over HTTP and with an implementation of the binary's.

use async_trait::async_trait;
use loki_cli::operations::{Built, Difference, Finding, OnFinding, OnProgress, OverHttp, Store};
use loki_cli::{Exit, Failure, Operations};
use std::time::Duration;

use crate::run::{Run, check, loki};
use crate::scripted::{Answer, Scripted};

const VERIFY: &str = "POST /v1/operations/verify";
const STATUS: &str = "GET /v1/status";
const EQUAL: &str = r#"{"store":"mysql","equal":true,"entries":1234}"#;
const MISSING: &str = r#"{"store":"zookeeper","difference":"missing","key":"node/01","log":{"id":"01","name":"a"},"stored":null}"#;

#[tokio::test]
async fn equal_stores() {
    let api = Scripted::new([(
        VERIFY,
        vec![Answer::ok("").pieces(&[&EQUAL[..10], &EQUAL[10..], "\n", r#"{"store":"zookeeper","equal":true,"entries":7}"#])],
    )])
    .await;
    check(&api.api, &["verify"], "mysql: equal, 1234 entries\nzookeeper: equal, 7 entries\n").await;
    check(&api.api, &["verify", "-o", "json"], &format!("{EQUAL}\n{{\"store\":\"zookeeper\",\"equal\":true,\"entries\":7}}\n")).await;
}

#[tokio::test]
async fn differences() {
    let different = r#"{"store":"zookeeper","difference":"different","key":"node/02","log":{"id":"02"},"stored":{"id":"03"}}"#;
    let body = format!("{EQUAL}\n{MISSING}\n{different}\n{}\n", r#"{"store":"zookeeper","equal":false,"entries":7}"#);
    let api = Scripted::new([(VERIFY, vec![Answer::ok(&body)])]).await;
    let ran = loki(&api.api, &["verify"]).await;
    let expected = "\
mysql: equal, 1234 entries
zookeeper: missing node/01
  log     {\"id\":\"01\",\"name\":\"a\"}
zookeeper: different node/02
  log     {\"id\":\"02\"}
  stored  {\"id\":\"03\"}
zookeeper: not equal, 7 entries
";
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (Exit::Failed, expected, ""));
}

/// An answer that was cut off, or says nothing, is no proof of equality.
#[tokio::test]
async fn half_an_answer_is_an_error() {
    let cut = Answer::ok("").pieces(&[EQUAL, "\n"]).breaking();
    let api = Scripted::new([(VERIFY, vec![cut, Answer::ok(""), Answer::ok(format!("{EQUAL}\n{{\"store\":1}}\n"))])]).await;
    for told in ["broke", "no store was compared", "cannot be read"] {
        let ran = loki(&api.api, &["verify"]).await;
        assert!(ran.exit == Exit::Failed && ran.err.contains(told), "{told}: {ran:?}");
    }
}

#[tokio::test]
async fn a_process_without_operations_says_so() {
    let api = Scripted::new([(STATUS, vec![Answer::ok(status("live", 9))])]).await;
    let ran = loki(&api.api, &["verify"]).await;
    assert!(ran.exit == Exit::NotFound && ran.err.contains("no route"), "{ran:?}");
    let ran = loki(&api.api, &["rebuild", "mysql", "--yes"]).await;
    assert!(ran.exit == Exit::NotFound && ran.out.is_empty(), "{ran:?}");
}

fn status(history: &str, position: u64) -> String {
    let projection = |name: &str, stream: &str, position: u64, state: &str| serde_json::json!({"name": name, "log": "1", "position": format!("{stream}{position}"), "end": format!("{stream}10"), "lag": 0, "state": state, "last_error": null});
    let projections =
        [projection("mysql", "f", 10, "live"), projection("history", "o", position, history), projection("zookeeper", "f", 10, "live")];
    serde_json::json!({"commands": "c10", "undecided": 0, "projections": projections}).to_string()
}

const REBUILD: &str = "POST /v1/operations/rebuild/mysql";

#[tokio::test]
async fn a_rebuild_is_followed_until_it_is_live() {
    let seen = [status("live", 10), status("live", 10), status("building", 0), status("building", 5), status("live", 10)];
    let api = Scripted::new([(REBUILD, vec![Answer::new(202, "{}")]), (STATUS, seen.map(Answer::ok).to_vec())]).await;
    let ran = loki(&api.api, &["rebuild", "mysql", "--yes"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "mysql is live\n"));
    assert_eq!(ran.err, "rebuilding: 10 of 20\nrebuilding: 15 of 20\nrebuilding: 20 of 20\n");
    let asked = api.lines();
    assert_eq!(asked[..2], [STATUS, REBUILD]);
    assert_eq!(asked.len(), 6, "it ends with the first status that is live after one that was not");
}

/// It may be over before anybody looks; then only time tells that nothing is going on any more.
#[tokio::test]
async fn a_rebuild_that_no_status_shows() {
    let api = Scripted::new([(REBUILD, vec![Answer::new(202, "{}")]), (STATUS, vec![Answer::ok(status("live", 10))])]).await;
    let client = loki_cli::Client::new(api.api.parse().unwrap(), None).unwrap();
    let settle = Duration::from_millis(300);
    let mut progress = vec![];
    OverHttp::new(&client).settling_in(settle).rebuild(Store::Mysql, &mut |built| progress.push(built)).await.unwrap();
    assert_eq!(progress, [Built { done: 20, of: 20 }]);
    assert!(api.seen().len() > 3, "{:?}", api.lines());
}

#[tokio::test]
async fn a_rebuild_that_does_not_end_in_time() {
    let api = Scripted::new([(REBUILD, vec![Answer::new(202, "{}")]), (STATUS, vec![Answer::ok(status("building", 3))])]).await;
    let ran = loki(&api.api, &["rebuild", "mysql", "--yes", "--timeout", "300ms", "--quiet"]).await;
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (Exit::Timeout, "error: `mysql` is not live after 300ms: it is still being built, see `loki status`\n")
    );
    let ran = loki(&api.api, &["rebuild", "mysql"]).await;
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

    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<(), Failure> {
        on_progress(Built { done: 1, of: 2 });
        match store {
            Store::Zookeeper => Ok(()),
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
        (Exit::Ok, "{\"state\":\"live\",\"store\":\"zookeeper\"}\n", "rebuilding: 1 of 2\n")
    );
    let ran = Run::new(nowhere, &["rebuild", "history", "--yes", "--quiet"]).operations(&Local).ran().await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Conflict, "error: it is being built already\n"));
}
