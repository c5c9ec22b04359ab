//! Readiness, `GET /v1/status`, and what is answered while a store cannot tell the truth.

use std::time::Duration;

use loki_log::{Event, Log, Partition, Topic};
use loki_runner::testing::MemoryStore;
use loki_telemetry::Health;
use serde_json::json;

use crate::cell::{Cell, Setting, until};
use crate::told::{Chain, ToldCell};

const READS: [&str; 10] = [
    "/v1/tree",
    "/v1/tree/acme",
    "/v1/tree?at=c0",
    "/v1/nodes/%2Facme",
    "/v1/servers",
    "/v1/servers?node=/acme",
    "/v1/servers/web1",
    "/v1/domains",
    "/v1/audit",
    "/v1/history/diff?from=c0&to=c0",
];

#[tokio::test]
async fn an_empty_store_answers_nothing() {
    let cell = Cell::api_alone(Setting::default()).await;
    cell.start_decider();
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    for path in READS {
        let answer = cell.client.get(path).await;
        answer.problem(503, "not_ready");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
    let status = cell.client.get("/v1/status").await;
    for projection in status.good()["projections"].as_array().unwrap() {
        assert_eq!((&projection["state"], &projection["last_error"]), (&json!("empty"), &json!("no projector is running")), "{projection}");
    }
    cell.start_projections();
    cell.settled().await;
    for path in READS {
        let answer = cell.client.get(path).await;
        assert!(matches!(answer.status, 200 | 404), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_status_tells_positions() {
    let cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    cell.settled().await;
    // what was said while the stores were filled is taken back soon
    until("nobody complains", async || {
        let status = cell.client.get("/v1/status").await;
        status.body["projections"].as_array().is_some_and(|all| all.iter().all(|projection| projection["last_error"].is_null()))
    })
    .await;
    let status = cell.client.get("/v1/status").await;
    assert_eq!((&status.good()["commands"], &status.body["undecided"]), (&json!("c1"), &json!(0)));
    let names: Vec<_> = status.body["projections"].as_array().unwrap().iter().map(|projection| projection["name"].clone()).collect();
    assert_eq!(names, ["mysql", "history", "task_logs", "cdn_system", "zookeeper", "redis-samples", "opentsdb"]);
    for projection in status.body["projections"].as_array().unwrap() {
        assert_eq!((&projection["lag"], &projection["last_error_since"]), (&json!(0), &json!(null)), "{projection}");
        assert_eq!(projection["position"], projection["end"]);
        // the sink keeps no position of its own
        assert!(projection["log"].is_string() || projection["name"] == "opentsdb");
    }
    let metrics = cell.client.get("/metrics").await;
    assert!(metrics.text.contains("lokiops_api_requests_total{") && metrics.text.contains(r#"route="/v1/status""#), "{}", metrics.text);
}

/// The projector says it beside its group's offset: the API's own process knows nothing of it.
#[tokio::test]
async fn the_status_tells_what_a_projector_says() {
    let cell = Cell::api_alone(Setting::default()).await;
    cell.start_decider();
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    let store = MemoryStore::new();
    store.set_away(true);
    let elsewhere = Health::new();
    cell.project(store.projection("mysql"), &cell.topics.facts, &elsewhere);
    let projection = async || cell.client.get("/v1/status").await.good()["projections"][0].clone();
    until("it says what is wrong", async || {
        let said = projection().await;
        said["last_error"].as_str().is_some_and(|text| text.starts_with("the store is away")) && said["last_error_since"].is_string()
    })
    .await;
    store.set_away(false);
    until("it has nothing to say", async || {
        let said = projection().await;
        said["last_error"].is_null() && said["last_error_since"].is_null()
    })
    .await;
}

#[tokio::test]
async fn topics_that_are_made_later_are_found() {
    let cell = Cell::api_alone(Setting { topics: false, ..Setting::default() }).await;
    until("it says what is missing", async || {
        let ready = cell.client.get("/readyz").await;
        ready.status == 503 && ready.body["components"]["api"].as_str().is_some_and(|why| why.contains("loki topics apply"))
    })
    .await;
    assert_eq!(cell.client.get("/livez").await.status, 200);
    let body = json!({ "type": "node.create", "data": { "path": "/acme" } }).to_string();
    cell.client.post("/v1/commands", body.clone()).await.problem(503, "not_ready");
    cell.make_topics().await;
    cell.start_decider();
    cell.start_projections();
    cell.ready().await;
    assert_eq!(cell.client.post("/v1/commands?wait=60s", body).await.good()["outcome"], "accepted");
}

#[tokio::test]
async fn a_transactions_marker_is_no_command_without_an_outcome() {
    let cell = ToldCell::start().await;
    cell.ask("first");
    let undecided = async || cell.client.get("/v1/status").await.good()["undecided"].clone();
    assert_eq!(undecided().await, 1);
    cell.decide(&mut Chain::default(), "first");
    until("it is decided", async || undecided().await == 0).await;
    assert_eq!(cell.client.get("/v1/status").await.good()["commands"], "c2", "the marker lies at c1");
    cell.client.get("/v1/commands/c1").await.problem(404, "not_found");
    // nothing has changed: the log is not read again
    let readers = cell.log.readers();
    assert_eq!(undecided().await, 0);
    assert_eq!(cell.log.readers(), readers);
}

#[tokio::test]
async fn a_store_that_was_set_back_is_not_read_by_a_process_that_starts_then() {
    let mut cell = Cell::start().await;
    cell.client.accept("node.create", json!({ "path": "/acme" })).await;
    cell.settled().await;
    cell.stop_projections().await;
    // their groups were further once: the stores are copies from before
    let topics = &cell.topics;
    let groups = [
        ("mysql", &topics.facts),
        ("history", &topics.outcomes),
        ("task_logs", &topics.task_logs),
        ("cdn_system", &topics.facts),
        ("zookeeper", &topics.facts),
    ];
    let mut ends = Vec::new();
    for (group, topic) in groups {
        let end = cell.log.bounds(&Partition::only(&Topic::new(topic))).await.unwrap().end;
        commit(&cell, group, topic, end + 1).await;
        ends.push(end);
    }
    let fresh = cell.another_api().await;
    until("it says that they are older", async || {
        let ready = fresh.get("/readyz").await;
        let older = |name: &str| ready.body["components"][name].as_str().is_some_and(|why| why.contains("set back"));
        ready.status == 503
            && ["mysql reader", "history reader", "task_logs reader", "cdn_system reader", "tree reader"].into_iter().all(older)
    })
    .await;
    for path in READS {
        fresh.get(path).await.problem(503, "not_ready");
    }
    // what every route needs is there
    until("the outcomes are read", async || fresh.get("/readyz?only=api").await.status == 200).await;
    // the log was set back as well, and the stores were filled from it
    for ((group, topic), end) in groups.into_iter().zip(ends) {
        commit(&cell, group, topic, end).await;
    }
    for path in READS {
        until("it is read again", async || matches!(fresh.get(path).await.status, 200 | 404)).await;
    }
    let ready = async |name: &str| fresh.get("/readyz").await.body["components"][name] == "ready";
    for name in ["mysql reader", "history reader", "cdn_system reader", "tree reader"] {
        until("it says so", async || ready(name).await).await;
    }
}

/// Stores a group's offset as its member.
async fn commit(cell: &Cell, group: &str, topic: &str, position: u64) {
    let partition = Partition::only(&Topic::new(topic));
    let mut member = cell.log.member(group, std::slice::from_ref(&partition.topic)).await.unwrap();
    while !matches!(member.next(1, Duration::from_secs(1)).await.unwrap(), Event::Assigned(_)) {}
    member.commit(&partition, position, None).await.unwrap();
    member.leave().await.unwrap();
}
