//! OpenTSDB's routes: what a collector is answered.

use std::time::Duration;

use loki_log::{Log, Partition, Topic};
use reqwest::Method;
use serde_json::json;

use crate::cell::{Cell, Setting, until};
use crate::client::Answer;

fn point(host: &str) -> serde_json::Value {
    json!({ "metric": "host.load.1m", "timestamp": 1_700_000_000, "value": 0.5, "tags": { "host": host } })
}

/// The points in the log.
async fn taken(cell: &Cell) -> usize {
    let mut points = 0;
    for number in 0..12 {
        let partition = Partition::new(Topic::new(&cell.topics.samples), number);
        let end = cell.log.bounds(&partition).await.unwrap().end;
        let mut reader = cell.log.reader(&partition, 0).await.unwrap();
        while reader.position() < end {
            for record in reader.read(100, Duration::from_secs(5)).await.unwrap().records {
                points += loki_wire::sample::read(record.value.as_ref(), &record.headers).unwrap().len();
            }
        }
    }
    points
}

/// An error has OpenTSDB's shape.
fn refused(answer: &Answer, status: u16) -> &str {
    assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(status)), "{}", answer.text);
    answer.body["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn points_are_in_the_log_when_they_are_answered() {
    let cell = Cell::api_alone(Setting::default()).await;
    let answer = cell.client.post("/api/put", point("a").to_string()).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(taken(&cell).await, 1);
    let answer = cell.client.post("/api/put?summary", json!([point("b"), point("c"), { "metric": "x" }]).to_string()).await;
    assert_eq!((answer.status, answer.body), (400, json!({ "success": 2, "failed": 1 })));
    let answer = cell.client.post("/api/put?details=true&sync&sync_timeout=500", point("d").to_string()).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "success": 1, "failed": 0, "timeouts": 0, "errors": [] })));
    assert_eq!(taken(&cell).await, 4);
    let answer = cell.client.ask(cell.client.request(Method::GET, "/api/put")).await;
    assert_eq!(refused(&answer, 405), "Method not allowed");
    // larger than any command, and in one request
    let many: Vec<_> = (0..5_000).map(|number| point(&format!("web{number}"))).collect();
    assert_eq!(cell.client.post("/api/put", json!(many).to_string()).await.status, 204);
    assert_eq!(taken(&cell).await, 5_004);
    let answer = cell.client.post("/api/put", vec![b' '; (8 << 20) + 1]).await;
    assert!(refused(&answer, 413).contains("api.body_max"), "{}", answer.text);
}

#[tokio::test]
async fn a_log_that_is_away_is_503_in_their_shape() {
    let cell = Cell::api_alone(Setting { topics: false, ..Setting::default() }).await;
    let answer = cell.client.post("/api/put", point("a").to_string()).await;
    assert!(refused(&answer, 503).contains("loki topics apply"), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1");
}

/// Points go through the log into the series and the live state, and are read back.
#[tokio::test]
async fn a_point_is_read_back() {
    let cell = Cell::start_with(Setting { series: true, ..Setting::default() }).await;
    cell.client.accept("server.register", json!({ "name": "web01" })).await;
    let now = loki_runtime::Clock::system().now_ms() / 1_000;
    let point = |at: i64, value: f64| json!({ "metric": "host.load.1m", "timestamp": at, "value": value, "tags": { "host": "web01" } });
    let points = json!([point(now - 20, 1.0), point(now - 10, 2.5)]);
    assert_eq!(cell.client.post("/api/put", points.to_string()).await.status, 204);
    let path = "/api/query?start=5m-ago&arrays=true&m=sum:host.load.1m{host=web01}";
    until("it is found", async || cell.client.get(path).await.status == 200).await;
    let found = cell.client.get(path).await;
    assert_eq!(found.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(found.body[0]["dps"], json!([[now - 20, 1.0], [now - 10, 2.5]]), "{}", found.text);

    let last = async || cell.client.get("/v1/samples?metric=host.load.1m&tags=host=web01").await.good().clone();
    until("the last value is there", async || last().await["items"][0]["value"] == 2.5).await;
    let last = last().await;
    assert_eq!((&last["items"][0]["at_ms"], &last["items"][0]["tags"]), (&json!((now - 10) * 1_000), &json!({ "host": "web01" })));
    let server = cell.client.get("/v1/servers/web01").await.good().clone();
    assert!(server["heard_at"].is_string(), "{server}");
    for (path, field) in [("/v1/samples", "metric"), ("/v1/samples?metric=a%20b", "metric"), ("/v1/samples?metric=m&tags=host", "tags")] {
        assert_eq!(cell.client.get(path).await.problem(400, "bad_parameter")["field"], field, "{path}");
    }
    // what the store refuses has its own shape, and what is no route as well
    assert!(refused(&cell.client.get("/api/query?start=5m-ago&m=sum:no.such").await, 400).contains("No such name"));
    refused(&cell.client.get("/api/nothing").await, 404);
}
