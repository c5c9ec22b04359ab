//! What every route refuses alike.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use loki_log::{Log, Partition, Topic};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cell::{Cell, Setting, until};

#[tokio::test]
async fn what_is_no_route_is_a_problem() {
    let cell = Cell::start().await;
    cell.client.get("/v1/nothing").await.problem(404, "no_such_route");
    for (method, path) in
        [(Method::DELETE, "/v1/commands"), (Method::GET, "/v1/commands"), (Method::POST, "/v1/tree"), (Method::PUT, "/metrics")]
    {
        let answer = cell.client.ask(cell.client.request(method, path)).await;
        answer.problem(405, "method_not_allowed");
        assert!(!answer.header("allow").is_empty(), "{path}");
    }
    for path in ["/v1/tree", "/v1/status", "/v1/audit", "/openapi.json", "/", "/livez"] {
        let (get, head) = (cell.client.get(path).await, cell.client.ask(cell.client.request(Method::HEAD, path)).await);
        assert_eq!((get.status, head.status, head.text.as_str()), (200, 200, ""), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_read() {
    let cell = Cell::start().await;
    let mut stream = TcpStream::connect(cell.client.address).await.unwrap();
    let head = "POST /v1/commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2097152\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json") && answer.contains("too_large"), "{answer}");
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_and_its_sender_hears_the_limit() {
    let cell = Cell::start().await;
    // some above what a command may have, and below what a body may have: the whole of it is sent before the answer is read
    let mut stream = TcpStream::connect(cell.client.address).await.unwrap();
    stream
        .write_all(b"POST /v1/commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..15 {
        stream.write_all(format!("10000\r\n{}\r\n", "x".repeat(1 << 16)).as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("the limit of 65536"), "{answer}");

    // one that does not end is not read on
    let mut stream = TcpStream::connect(cell.client.address).await.unwrap();
    stream.write_all(b"POST /v1/commands HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for _ in 0..16 {
        stream.write_all(format!("10000\r\n{}\r\n", "x".repeat(1 << 16)).as_bytes()).await.unwrap();
    }
    stream.write_all(b"1\r\nx\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("`api.body_max`, 1048576 bytes"), "{answer}");
}

#[tokio::test]
async fn a_mistake_in_loki_is_500_and_the_next_request_is_answered() {
    let operations = Router::new().route("/v1/operations/panic", get(async || -> &'static str { panic!("as the test wants it") }));
    let cell = Cell::start_with(Setting { operations, ..Setting::default() }).await;
    cell.client.get("/v1/operations/panic").await.problem(500, "internal");
    cell.client.get("/v1/status").await.good();
    let metrics = cell.client.get("/metrics").await.text;
    assert!(metrics.lines().any(|line| line.contains(r#"route="/v1/operations/panic""#) && line.contains(r#"status="500""#)), "{metrics}");
}

#[tokio::test]
async fn more_requests_than_allowed_are_told_to_come_back() {
    let cell = Cell::api_alone(Setting { concurrency_max: 2, ..Setting::default() }).await;
    cell.seen().await;
    let body = r#"{"type":"node.create","data":{"path":"/a"}}"#;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let client = cell.client.clone();
            tokio::spawn(async move { client.post("/v1/commands?wait=60s", body).await })
        })
        .collect();
    // seen in the log: to ask for it takes one of the two places
    let commands = Partition::only(&Topic::new(&cell.topics.commands));
    until("both are in hand", async || cell.log.bounds(&commands).await.unwrap().end == 2).await;
    cell.client.get("/v1/status").await.problem(503, "not_ready");
    // health is not behind the bound
    assert_eq!(cell.client.get("/livez").await.status, 200);
    cell.start_decider();
    for one in waiting {
        one.await.unwrap().good();
    }
    cell.client.get("/v1/status").await.good();
}

#[tokio::test]
async fn agents_that_wait_take_nobody_elses_place() {
    let cell = Cell::start_with(Setting { concurrency_max: 1, agents_max: 1, ..Setting::default() }).await;
    cell.client.accept("server.register", json!({ "name": "web01", "state": "online" })).await;
    cell.settled().await;
    let first = cell.client.get("/v1/servers/web01/tasks").await;
    let path = format!("/v1/servers/web01/tasks?seen={}&wait=60s", first.header("loki-position"));
    let client = cell.client.clone();
    let waiting = tokio::spawn(async move {
        // who asks below may have the place first
        while client.get(&path).await.status == 503 {}
    });
    until("one waits", async || cell.client.get("/v1/servers/web01/tasks").await.status == 503).await;
    let other = cell.client.get("/v1/servers/web01/tasks").await;
    other.problem(503, "not_ready");
    assert!(other.text.contains("`api.agents_max`"), "{}", other.text);
    cell.client.get("/v1/status").await.good();
    waiting.abort();
}
