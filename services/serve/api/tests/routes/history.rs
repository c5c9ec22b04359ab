//! `GET /v1/audit` and `GET /v1/history/diff`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cell::{Cell, Setting, until};

#[tokio::test]
async fn the_audit_is_newest_first_and_comes_in_parts() {
    let cell = Cell::start().await;
    let mut last = String::new();
    for number in 0..9 {
        let body = json!({ "type": "node.create", "actor": if number % 3 == 0 { "ann" } else { "bob" }, "data": { "path": format!("/n{}", number / 2) } });
        let answer = cell.client.post("/v1/commands?wait=60s", body.to_string()).await;
        last = answer.good()["position"].as_str().unwrap().to_owned();
    }
    let mut positions = Vec::new();
    let mut path = format!("/v1/audit?actor=bob&limit=2&after={last}");
    loop {
        let part = cell.client.get(&path).await;
        for line in part.good()["items"].as_array().unwrap() {
            assert_eq!((&line["actor"], &line["type"]), (&json!("bob"), &json!("node.create")));
            positions.push(line["position"].as_str().unwrap().to_owned());
        }
        match part.link() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(positions, ["c8", "c7", "c5", "c4", "c2", "c1"]);
    let count = async |query: &str| cell.client.get(&format!("/v1/audit?{query}")).await.good()["items"].as_array().unwrap().len();
    assert_eq!(count("outcome=rejected").await, 4);
    assert_eq!(count("outcome=accepted&type=node.create").await, 5);
    assert_eq!(count("type=node.remove").await, 0);
    assert_eq!(count("from=c3&to=c5").await, 3);
    assert_eq!(count("to=2001-01-01T00:00:00Z").await, 0);
    let key = cell.client.get("/v1/audit?from=c0&to=c0").await.good()["items"][0]["keys"][0].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("key={key}")).await, 1);
    for (query, field) in [
        ("outcome=lost", "outcome"),
        ("key=nothing", "key"),
        ("from=soon", "from"),
        ("to=soon", "to"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("after=f1", "after"),
        ("who=ann", "who"),
    ] {
        cell.client.get(&format!("/v1/audit?{query}")).await.names(field);
    }
}

#[tokio::test]
async fn a_difference_tells_before_and_after() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/a" })).await;
    cell.client.accept("node.rename", json!({ "node": "/a", "name": "b" })).await;
    let last = cell.client.accept("node.create", json!({ "path": "/c" })).await;
    let c = last["position"].as_str().unwrap();
    let diff = cell.client.get(&format!("/v1/history/diff?from=c0&to={c}&after={c}")).await;
    let items = diff.good()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 2, "{}", diff.text);
    let renamed = items.iter().find(|item| item["before"].is_object()).unwrap();
    assert_eq!((&renamed["before"]["name"], &renamed["after"]["name"]), (&json!("a"), &json!("b")));
    let made = items.iter().find(|item| item["before"].is_null()).unwrap();
    assert_eq!(made["after"]["name"], "c");
    // in parts the same
    let mut parts: Vec<Value> = Vec::new();
    let mut path = format!("/v1/history/diff?from=c0&to={c}&limit=1");
    loop {
        let part = cell.client.get(&path).await;
        parts.extend(part.good()["items"].as_array().unwrap().iter().cloned());
        match part.link() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(parts, items);
    assert_eq!(cell.client.get("/v1/history/diff?from=c1&to=c1").await.good()["items"], json!([]));
    for (query, field) in
        [("from=c0", "to"), ("to=c0", "from"), ("from=x&to=c0", "from"), ("from=c0&to=x", "to"), ("from=c0&to=c1&limit=0", "limit")]
    {
        cell.client.get(&format!("/v1/history/diff?{query}")).await.names(field);
    }
}

#[tokio::test]
async fn a_time_is_not_answered_before_the_history_has_what_was_decided_by_then() {
    let cell = Cell::api_alone(Setting { wait_max: Duration::from_secs(1), ..Setting::default() }).await;
    cell.start_decider();
    let (stop, stopped) = cell.start_history();
    let decide = async |path: &str, position: &str| {
        let body = json!({ "type": "node.create", "data": { "path": path } }).to_string();
        assert_eq!(cell.client.post("/v1/commands", body).await.status, 202);
        until("it is decided", async || cell.client.get(&format!("/v1/commands/{position}")).await.body["outcome"] == "accepted").await;
    };
    decide("/a", "c0").await;
    until("it is in the history", async || cell.client.get("/v1/audit?after=c0").await.status == 200).await;
    // it stops, and what is decided now it does not have
    stop.begin();
    stopped.await.unwrap().unwrap();
    decide("/b", "c1").await;
    let now = "2200-01-01T00:00:00Z";
    let asked = [
        format!("/v1/tree?at={now}"),
        format!("/v1/history/diff?from=c0&to={now}"),
        format!("/v1/history/diff?from={now}&to=c0"),
        format!("/v1/audit?to={now}"),
    ];
    for path in &asked {
        cell.client.get(path).await.problem(503, "not_ready");
    }
    // positions that it has passed it can tell
    cell.client.get("/v1/tree?at=c0").await.good();
    let _history = cell.start_history();
    for path in &asked {
        until("it has caught up", async || cell.client.get(path).await.status == 200).await;
    }
    let tree = cell.client.get(&asked[0]).await;
    assert_eq!(tree.good()["children"].as_array().unwrap().len(), 2, "{}", tree.text);
}
