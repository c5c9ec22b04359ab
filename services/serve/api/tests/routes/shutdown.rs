//! Shutdown: what is in hand is answered, what cannot come any more is not waited for, and the bound holds.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::cell::{Cell, Setting, until};

#[tokio::test]
async fn a_request_that_waits_is_answered_at_once() {
    let cell = Cell::api_alone(Setting { drain: Duration::from_secs(60), ..Setting::default() }).await;
    cell.seen().await;
    let ask = |path: &'static str| {
        let client = cell.client.clone();
        tokio::spawn(async move { client.get(path).await })
    };
    let body = json!({ "type": "node.create", "data": { "path": "/a" } }).to_string();
    assert_eq!(cell.client.post("/v1/commands", body.clone()).await.status, 202);
    let command = ask("/v1/commands/c0?wait=60s");
    let tree = ask("/v1/tree?after=f5");
    let audit = ask("/v1/audit?after=c5");
    let posted = tokio::spawn({
        let client = cell.client.clone();
        async move { client.post("/v1/commands?wait=60s", body).await }
    });
    until("it is appended", async || cell.client.get("/v1/status").await.body["commands"] == "c2").await;
    let begun = Instant::now();
    cell.shutdown.begin();
    assert_eq!(posted.await.unwrap().status, 202);
    // these may come too late for the listener, never unanswered
    for waiting in [command, tree, audit] {
        let answer = waiting.await.unwrap();
        assert!(matches!(answer.status, 202 | 503), "{}", answer.text);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_does_nothing_does_not_hold_the_process() {
    let mut cell = Cell::api_alone(Setting { drain: Duration::from_millis(300), ..Setting::default() }).await;
    let mut stream = TcpStream::connect(cell.client.address).await.unwrap();
    stream.write_all(b"POST /v1/commands HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
    assert_eq!(cell.client.get("/livez").await.status, 200);
    cell.shutdown.begin();
    tokio::time::timeout(Duration::from_secs(30), &mut cell.api).await.expect("within its bound").unwrap().unwrap();
}
