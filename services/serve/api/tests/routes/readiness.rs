//! Readiness, `GET /v1/status`, and what is answered while a store cannot tell the truth.

use loki_runner::testing::MemoryStore;
use loki_telemetry::Health;
use serde_json::json;

use crate::cell::{Cell, Setting, until};
use crate::told::{Chain, ToldCell};

const READS: [&str; 9] = [
    "/v1/tree",
    "/v1/tree/acme",
    "/v1/tree?at=c0",
    "/v1/nodes/%2Facme",
    "/v1/servers",
    "/v1/servers?node=/acme",
    "/v1/servers/web1",
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
    assert_eq!(names, ["mysql", "history", "zookeeper"]);
    for projection in status.body["projections"].as_array().unwrap() {
        assert_eq!((&projection["lag"], &projection["last_error_since"]), (&json!(0), &json!(null)), "{projection}");
        assert_eq!(projection["position"], projection["end"]);
        assert!(projection["log"].is_string());
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
    assert_eq!(cell.client.post("/v1/commands?wait=10s", body).await.good()["outcome"], "accepted");
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
