//! Log lines are joined by the command's id and its trace, whichever service wrote them.

use std::time::Duration;

use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Partition, Topic};
use serde_json::{Value, json};

use crate::loki::Running;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Sends commands of one trace, waits for their outcomes, ends the process; gives its log lines.
async fn lines(home: &std::path::Path, filter: &str, bodies: &[Value]) -> Vec<Value> {
    let mut loki =
        Running::start(home, "all", &[("LOKI__LOGS__FILTER", filter), ("LOKI__LOGS__FORMAT", "json"), ("LOKI__API__WAIT_MAX", "60s")]);
    loki.ready().await;
    let client = loki_cli::client::plain().build().unwrap();
    for body in bodies {
        let sent = client.post(format!("http://{}/v1/commands?wait=60s", loki.address)).json(body).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 200, "{}", sent.text().await.unwrap());
    }
    loki.until("/v1/status", |_, status| {
        status["projections"].as_array().is_some_and(|all| all.iter().all(|one| one["state"] == "live" && one["lag"] == 0))
    })
    .await;
    loki.terminate();
    let (status, _, said) = loki.ended().await;
    assert!(status.success(), "{said}");
    said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn create(id: &str, path: &str) -> Value {
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    json!({ "specversion": "1.0", "source": "ci", "id": id, "type": "node.create", "traceparent": traceparent, "data": { "path": path } })
}

/// The one line of this message that is about this command.
#[track_caller]
fn line<'l>(lines: &'l [Value], target: &str, message: &str, id: &str) -> &'l Value {
    let found: Vec<_> = lines
        .iter()
        .filter(|line| {
            line["target"].as_str().is_some_and(|from| from.starts_with(target)) && line["message"] == message && line["command.id"] == id
        })
        .collect();
    assert_eq!(found.len(), 1, "`{message}` of `{target}` for `{id}` in {lines:#?}");
    found[0]
}

#[tokio::test]
async fn a_command_is_followed_by_its_trace() {
    let home = tempfile::tempdir().unwrap();
    let filter = "warn,loki_api=debug,loki_decider=debug,loki_runner=debug";
    let lines = lines(home.path(), filter, &[create("first", "/acme"), create("again", "/acme")]).await;
    let found = [
        line(&lines, "loki_api", "appended", "first"),
        line(&lines, "loki_decider", "decided", "first"),
        line(&lines, "loki_api", "appended", "again"),
        line(&lines, "loki_decider", "a command is rejected", "again"),
    ];
    for (line, position) in found.into_iter().zip([0, 0, 1, 1]) {
        assert_eq!((&line["trace.id"], &line["command.position"]), (&json!(TRACE), &json!(position)), "{line}");
    }
    for projection in ["mysql", "history", "cdn_system", "zookeeper"] {
        let of_first = |line: &&Value| {
            let bound = |name: &str| line[name].as_u64();
            line["projection"] == projection
                && line["message"] == "applied"
                && bound("command.first") == Some(0)
                && bound("command.last").is_some()
        };
        assert!(lines.iter().any(|line| of_first(&line)), "`{projection}` does not say what it applied: {lines:#?}");
    }

    let log = SqliteLog::open(Options::new(home.path().join("data"))).await.unwrap();
    for topic in ["loki.commands", "loki.outcomes"] {
        let mut reader = log.reader(&Partition::only(&Topic::new(topic)), 0).await.unwrap();
        let records = reader.read(100, Duration::from_secs(10)).await.unwrap().records;
        assert_eq!(records.len(), 2);
        for record in records {
            let header = String::from_utf8(record.header("traceparent").unwrap().to_vec()).unwrap();
            assert!(header.contains(TRACE), "{topic}: {header}");
        }
    }
    log.close().await;
}

#[tokio::test]
async fn what_was_not_done_is_seen_by_default() {
    let home = tempfile::tempdir().unwrap();
    let lines = lines(home.path(), "info,sqlx=warn", &[create("first", "/acme"), create("again", "/acme")]).await;
    let rejected = line(&lines, "loki_decider", "a command is rejected", "again");
    assert_eq!((&rejected["level"], &rejected["reason"], &rejected["trace.id"]), (&json!("INFO"), &json!("already_exists"), &json!(TRACE)));
    assert!(lines.iter().all(|line| line["command.id"] != "first"), "what was done is not");
}
