//! `POST /v1/commands` and `GET /v1/commands/{id}`.

use std::time::{Duration, Instant};

use loki_log::{Log, NewRecord, Partition, Topic};
use reqwest::Method;
use serde_json::json;

use crate::cell::{Cell, Setting};

fn create(path: &str) -> String {
    json!({ "type": "node.create", "data": { "path": path } }).to_string()
}

#[tokio::test]
async fn an_outcome_says_what_became_of_the_command() {
    let cell = Cell::start().await;
    let outcome = cell.client.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
    assert_eq!(outcome["position"], "c0");
    assert!(outcome["after"].as_str().unwrap().starts_with('f') && outcome["facts"].as_array().unwrap().len() == 2, "{outcome}");

    let rejected = cell.client.command("node.create", json!({ "path": "/acme" })).await;
    let rejected = rejected.good();
    assert_eq!((&rejected["outcome"], &rejected["code"]), (&json!("rejected"), &json!("already_exists")));
    assert!(rejected["message"].is_string() && rejected["conflict"].as_str().unwrap().starts_with("node/"), "{rejected}");

    // by position, by id, and by the id's actor
    let id = rejected["id"].as_str().unwrap();
    for path in [format!("/v1/commands/{id}"), "/v1/commands/c1".to_owned(), format!("/v1/commands/{id}?actor=anonymous")] {
        assert_eq!(cell.client.get(&path).await.good(), rejected, "{path}");
    }
    cell.client.get("/v1/commands/c2").await.problem(404, "not_found");
    cell.client.get("/v1/commands/nobody").await.problem(404, "not_found");
    cell.client.get(&format!("/v1/commands/{id}?actor=ann")).await.problem(404, "not_found");
}

/// From the header, else from the body, else made; the same for every command's `source`, which has no header.
#[tokio::test]
async fn a_command_keeps_its_trace_and_its_source() {
    const OF_HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OF_BODY: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let cell = Cell::start().await;
    let body =
        json!({ "specversion": "1.0", "source": "ci/build-7", "traceparent": OF_BODY, "type": "node.create", "data": { "path": "/a" } });
    let mut bad = body.clone();
    bad["traceparent"] = json!("00-0-0-0");
    let cases = [(Some(OF_HEADER), &body), (None, &body), (Some("nonsense"), &body), (None, &bad)];
    for (header, body) in cases {
        let mut request = cell.client.request(Method::POST, "/v1/commands?wait=10s").body(body.to_string());
        if let Some(header) = header {
            request = request.header("traceparent", header);
        }
        cell.client.ask(request).await.good();
    }
    cell.client.command("node.create", json!({ "path": "/b" })).await.good();
    let read = async |topic: &str, name: &str| {
        let mut reader = cell.log.reader(&Partition::only(&Topic::new(topic)), 0).await.unwrap();
        let records = reader.read(100, Duration::from_secs(10)).await.unwrap().records;
        records.iter().map(|record| String::from_utf8(record.header(name).unwrap().to_vec()).unwrap()).collect::<Vec<_>>()
    };
    let traces = read(&cell.topics.commands, "traceparent").await;
    assert_eq!(traces[..3], [OF_HEADER, OF_BODY, OF_BODY]);
    assert!(traces[3..].iter().all(|made| made.len() == OF_BODY.len() && made != OF_BODY), "{traces:?}");
    assert_eq!(read(&cell.topics.outcomes, "traceparent").await, traces);
    let sources = read(&cell.topics.commands, "ce_source").await;
    assert_eq!(sources, ["ci/build-7", "ci/build-7", "ci/build-7", "ci/build-7", "loki/api"]);
}

#[tokio::test]
async fn without_a_decider_it_is_pending() {
    let cell = Cell::api_alone(Setting::default()).await;
    cell.start_projections();
    cell.seen().await;
    let body = json!({ "id": "mine", "type": "node.create", "data": { "path": "/a" } }).to_string();
    for (path, at_least) in [("/v1/commands", 0), ("/v1/commands?wait=0s", 0), ("/v1/commands?wait=300ms", 300)] {
        let started = Instant::now();
        let answer = cell.client.post(path, body.clone()).await;
        assert_eq!((answer.status, &answer.body["outcome"], &answer.body["id"]), (202, &json!("pending"), &json!("mine")), "{path}");
        assert_eq!(answer.header("location"), format!("/v1/commands/{}", answer.body["position"].as_str().unwrap()));
        assert!(started.elapsed() >= Duration::from_millis(at_least), "{path}");
    }
    // nothing is in the history: what is in the log and not decided is found all the same
    for path in ["/v1/commands/c0", "/v1/commands/mine", "/v1/commands/mine?wait=50ms"] {
        let answer = cell.client.get(path).await;
        assert_eq!((answer.status, &answer.body["id"]), (202, &json!("mine")), "{path}: {}", answer.text);
    }
    assert_eq!(cell.client.get("/v1/commands/mine").await.body["position"], "c2", "the newest with this id");
    cell.client.get("/v1/commands/mine?actor=ann").await.problem(503, "not_ready");
    assert_eq!(cell.client.get("/v1/status").await.good()["undecided"], 3);

    // a wait ends as soon as the decider has decided
    let waiting = tokio::spawn({
        let client = cell.client.clone();
        async move { client.get("/v1/commands/c0?wait=60s").await }
    });
    cell.start_decider();
    assert_eq!(waiting.await.unwrap().good()["outcome"], "accepted");
    let again = cell.client.get("/v1/commands/c2?wait=60s").await;
    assert_eq!((&again.good()["outcome"], &again.body["duplicate_of"]), (&json!("accepted"), &json!("c0")));
    cell.settled().await;
    cell.client.get("/v1/commands/mine?actor=ann").await.problem(404, "not_found");
}

#[tokio::test]
async fn an_id_is_decided_once() {
    let cell = Cell::start().await;
    let send = async |key: &str, body: String| {
        let request = cell.client.request(Method::POST, "/v1/commands?wait=60s").header("Idempotency-Key", key);
        cell.client.ask(request.body(body)).await
    };
    let first = send("k-1", create("/a")).await;
    assert_eq!((&first.good()["outcome"], &first.body["id"]), (&json!("accepted"), &json!("k-1")));
    let again = send("\"k-1\"", create("/a")).await;
    assert_eq!(again.good()["duplicate_of"], "c0");
    assert_eq!((&again.body["position"], &again.body["facts"]), (&first.body["position"], &first.body["facts"]));
    let other = send("k-1", create("/b")).await;
    assert_eq!((&other.good()["outcome"], &other.body["code"]), (&json!("rejected"), &json!("id_reused")));
    // a rejection is an outcome like others
    let rejected = send("k-2", create("/a")).await;
    let again = send("k-2", create("/a")).await;
    assert_eq!((&again.good()["code"], &again.body["duplicate_of"]), (&rejected.good()["code"], &rejected.body["position"]));

    let named = json!({ "id": "k-3", "type": "node.create", "data": { "path": "/c" } }).to_string();
    send("k-4", named.clone()).await.names("Idempotency-Key");
    assert_eq!(send("k-3", named).await.good()["outcome"], "accepted");
    for bad in ["", "a\tb", &"k".repeat(65)] {
        send(bad, create("/d")).await.names("Idempotency-Key");
    }
    assert_eq!(send("@k", create("/d")).await.problem(422, "bad_envelope")["field"], "id");
}

#[tokio::test]
async fn no_command_hides_behind_the_position_of_another() {
    let cell = Cell::start().await;
    let first = cell.client.accept("node.create", json!({ "path": "/a" })).await;
    let named = |id: &str| json!({ "id": id, "type": "node.create", "data": { "path": "/b" } }).to_string();
    for id in ["c0", "c1", "f3", "o8"] {
        let answer = cell.client.post("/v1/commands?wait=10s", named(id)).await;
        assert_eq!(answer.problem(422, "bad_envelope")["field"], "id", "{id}");
        let by_header = cell.client.request(Method::POST, "/v1/commands?wait=10s").header("idempotency-key", id);
        cell.client.ask(by_header.body(create("/b"))).await.names("Idempotency-Key");
    }
    // who writes to the topic past the API gets a dead letter, and the position goes on meaning what stands there
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    let record = NewRecord { value: Some(named("c0").into()), ..NewRecord::default() };
    cell.log.append(&commands, vec![record]).await.unwrap();
    let dead = cell.client.get("/v1/commands/c1?wait=10s").await;
    assert_eq!((&dead.good()["outcome"], &dead.body["code"]), (&json!("dead"), &json!("bad_envelope")), "{}", dead.text);
    assert_eq!(cell.client.get("/v1/commands/c0").await.good()["id"], first["id"]);
}

#[tokio::test]
async fn a_bad_command_is_refused_with_its_field() {
    let cell = Cell::start().await;
    let cases = [
        ("", 400, "bad_json", None),
        ("{", 400, "bad_json", None),
        (r#"{"type":"node.explode","data":{}}"#, 422, "unknown_type", Some("type")),
        (r#"{"type":"node.create","data":{"path":"/a","colour":1}}"#, 422, "schema_violation", Some("colour")),
        (r#"{"type":"node.create","data":{"path":"a//b"}}"#, 422, "invalid", Some("path")),
        (r#"{"type":"node.create"}"#, 422, "bad_envelope", Some("data")),
    ];
    for (body, status, code, field) in cases {
        let answer = cell.client.post("/v1/commands", body).await;
        assert_eq!(answer.problem(status, code)["field"].as_str(), field, "{body}: {}", answer.text);
    }
    cell.client.post("/v1/commands", create(&"x".repeat(70_000))).await.problem(413, "too_large");
    // below the limit as it was sent, above it with the headers that the API adds
    let spaces = " ".repeat(64 * 1024 - create("/a").len());
    let data = json!({ "path": "/a" }).to_string();
    let padded = format!(r#"{{"data":{}{spaces}}},"type":"node.create"}}"#, &data[..data.len() - 1]);
    assert_eq!(padded.len(), 64 * 1024);
    cell.client.post("/v1/commands", padded).await.problem(413, "too_large");
    cell.client.post("/v1/commands?wait=soon", create("/a")).await.names("wait");
    cell.client.post("/v1/commands?wait=3601s", create("/a")).await.names("wait");
    assert_eq!(cell.client.get("/v1/status").await.good()["commands"], "c0", "nothing was appended");
}

#[tokio::test]
async fn a_log_that_is_away_takes_no_command() {
    let cell = Cell::start().await;
    cell.log.clone().close().await;
    let answer = cell.client.post("/v1/commands", create("/a")).await;
    let problem = answer.problem(503, "not_ready");
    assert!(!problem["id"].as_str().unwrap().is_empty() && problem["detail"].as_str().unwrap().contains("send it again"), "{problem}");
    let mine = json!({ "id": "mine", "type": "node.create", "data": { "path": "/a" } });
    assert_eq!(cell.client.post("/v1/commands", mine.to_string()).await.problem(503, "not_ready")["id"], "mine");
    // what lies in the stores is still answered
    cell.client.get("/v1/tree").await.good();
}
