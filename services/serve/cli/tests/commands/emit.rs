//! `loki emit`.

use std::time::Duration;

use loki_cli::Exit;
use loki_cli::client::Patience;
use serde_json::json;

use crate::run::{Run, check, loki, refused};
use crate::scripted::{Answer, Scripted};

const POST: &str = "POST /v1/commands";
const PENDING: &str = r#"{"id":"a","outcome":"pending","position":"c17"}"#;
const ACCEPTED: &str = r#"{"id":"a","outcome":"accepted","position":"c17","type":"node.create","after":"f42","facts":[{"key":"node/01","position":"f42","data":{"id":"01"}}]}"#;
const REJECTED: &str = r#"{"id":"a","outcome":"rejected","position":"c17","code":"already_exists","field":"path","message":"`/a` is there","conflict":"node/01"}"#;

const EMIT: [&str; 6] = ["emit", "node.create", "--data", r#"{"path":"/a"}"#, "--id", "a"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    EMIT.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn without_wait_it_ends_with_the_position() {
    let api = Scripted::new([(POST, vec![Answer::new(202, PENDING)])]).await;
    check(&api.api, &with(&["--actor", "ann", "--expires", "2026-12-01T00:00:00Z"]), "pending c17, id a\n").await;
    check(&api.api, &with(&["-o", "json"]), &format!("{PENDING}\n")).await;
    let seen = api.seen();
    assert_eq!(seen[0].line, POST);
    let sent = json!({"id": "a", "type": "node.create", "actor": "ann", "expires": "2026-12-01T00:00:00Z", "data": {"path": "/a"}});
    assert_eq!(seen[0].json(), sent);
    assert_eq!(seen[1].json(), json!({"id": "a", "type": "node.create", "data": {"path": "/a"}}));
}

#[tokio::test]
async fn with_wait_it_ends_with_the_outcome() {
    let api = Scripted::new([(POST, vec![Answer::ok(ACCEPTED)])]).await;
    check(&api.api, &with(&["--wait"]), "accepted c17, to be read after f42\n  f42  node/01\n").await;
    check(&api.api, &with(&["--wait=700ms", "-o", "json"]), &format!("{ACCEPTED}\n")).await;
    assert_eq!(api.lines(), [format!("{POST}?wait=5000ms"), format!("{POST}?wait=700ms")]);
}

#[tokio::test]
async fn a_rejection_is_told_and_exits_with_1() {
    let api = Scripted::new([(POST, vec![Answer::ok(REJECTED)])]).await;
    let ran = loki(&api.api, &with(&["--wait"])).await;
    assert_eq!(ran.out, "rejected c17: already_exists: `/a` is there (field `path`), in the way: `node/01`\n");
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, ""));
    let ran = loki(&api.api, &with(&["--wait", "-o", "json"])).await;
    assert_eq!((ran.exit, ran.out), (Exit::Failed, format!("{REJECTED}\n")));
}

#[tokio::test]
async fn an_outcome_that_comes_later_is_asked_for_by_position() {
    let get = "GET /v1/commands/c17";
    let api = Scripted::new([
        (POST, vec![Answer::new(202, PENDING)]),
        (get, vec![Answer::new(202, r#"{"id":"","outcome":"pending","position":"c17"}"#), Answer::ok(ACCEPTED)]),
    ])
    .await;
    check(&api.api, &with(&["--wait=30s", "-o", "json"]), &format!("{ACCEPTED}\n")).await;
    assert_eq!(api.lines(), [format!("{POST}?wait=5000ms"), format!("{get}?wait=5000ms"), format!("{get}?wait=5000ms")]);
}

#[tokio::test]
async fn no_outcome_in_time_exits_with_124() {
    let pending = Answer::new(202, PENDING).after(Duration::from_millis(30));
    let api = Scripted::new([(POST, vec![pending.clone()]), ("GET /v1/commands/c17", vec![pending])]).await;
    let ran = loki(&api.api, &with(&["--wait=100ms"])).await;
    assert_eq!(ran.exit, Exit::Timeout);
    assert_eq!(ran.out, "pending c17, id a\n");
    assert_eq!(ran.err, "error: no outcome within 100ms: the command stays in the log, do not send it with another id\n");
}

#[tokio::test]
async fn it_is_repeated_with_its_id_when_the_log_is_away() {
    let away = Answer::problem(503, "not_ready", "the log is away").header("retry-after", "0");
    let broken = Answer::new(200, "").pieces(&["{\"id\""]).breaking();
    let api = Scripted::new([(POST, vec![away.clone(), broken, away, Answer::ok(ACCEPTED)])]).await;
    let ran = loki(&api.api, &["emit", "node.create", "-d", "{}", "--wait"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let ids: Vec<_> = api.seen().iter().map(|seen| seen.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 36), "{ids:?}");
}

#[tokio::test]
async fn patience_ends() {
    let away = Answer::problem(503, "not_ready", "the log is away").header("retry-after", "1");
    let api = Scripted::new([(POST, vec![away])]).await;
    let patience = Patience { first: Duration::ZERO, known: Duration::from_secs(10), ..Patience::default() };
    let ran = Run::new(&api.api, &EMIT).patience(patience).ran().await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, "error: the log is away (not_ready)\n"));
    let seen = api.seen();
    assert!(seen.len() >= 2, "it is tried again");
    for two in seen.windows(2) {
        let gap = two[1].came - two[0].came;
        assert!(gap >= Duration::from_secs(1), "as often as the server wishes, not after {gap:?}");
    }
}

#[tokio::test]
async fn refusals_exit_by_their_kind() {
    for (status, code, exit) in [
        (400, "bad_json", Exit::Usage),
        (413, "too_large", Exit::Usage),
        (422, "unknown_type", Exit::Usage),
        (401, "unauthorized", Exit::Auth),
        (404, "not_found", Exit::NotFound),
        (409, "conflict", Exit::Conflict),
        (500, "internal", Exit::Failed),
    ] {
        let api = Scripted::new([(POST, vec![Answer::problem(status, code, "no")])]).await;
        let ran = loki(&api.api, &EMIT).await;
        assert_eq!(ran.exit, exit, "{status}");
        assert!(ran.err.starts_with(&format!("error: no ({code})")), "{}", ran.err);
        assert_eq!(api.seen().len(), 1, "{status} is not repeated");
    }
}

#[tokio::test]
async fn data_comes_from_a_file_too_and_must_be_json() {
    let api = Scripted::new([(POST, vec![Answer::new(202, PENDING)])]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), " {\"b\": [1]}\n").unwrap();
    let path = format!("@{}", file.path().display());
    assert_eq!(loki(&api.api, &["emit", "x", "-d", &path]).await.exit, Exit::Ok);
    assert_eq!(api.seen()[0].json()["data"], json!({"b": [1]}));
    std::fs::write(file.path(), "x".repeat(2 << 20)).unwrap();
    for (data, told) in
        [("{", "`--data` is no JSON"), ("@/no/such/file", "cannot read `/no/such/file`"), (&path, "more than 1048576 bytes")]
    {
        let ran = loki(&api.api, &["emit", "x", "-d", data]).await;
        assert!(ran.exit == Exit::Usage && ran.err.contains(told), "{ran:?}");
    }
    assert_eq!(api.seen().len(), 1);
    for arguments in [&["emit"][..], &["emit", "x"], &["emit", "x", "-d", "{}", "--wait=soon"], &["emit", "x", "-d", "{}", "-o", "xml"]] {
        assert!(refused(arguments).is_some(), "{arguments:?}");
    }
}
