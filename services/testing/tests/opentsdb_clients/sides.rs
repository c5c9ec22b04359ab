//! The same points in the embedded store and in a real OpenTSDB, and one question to both.

use std::time::Duration;

use bytes::Bytes;
use loki_domain::Sample;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use loki_series::{Options, Request, Store};
use loki_testing::real;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An OpenTSDB on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Points of one request; thousands of them fit.
const POINTS_AT_ONCE: usize = 4_000;

#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    /// What follows the server's address, `/api/query?arrays=true`.
    pub(crate) target: String,
    /// Empty for none.
    pub(crate) body: String,
}

impl Question {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), body: String::new() }
    }

    pub(crate) fn post(target: impl Into<String>, body: &Value) -> Self {
        Self { method: "POST", target: target.into(), body: body.to_string() }
    }
}

/// Reads an answer's body as a client does; what the client cannot decode panics.
pub(crate) type Decode<'d, T> = &'d dyn Fn(&[u8]) -> T;

pub(crate) struct Sides {
    store: Store,
    http: Client,
    opentsdb: &'static str,
    now_ms: i64,
    prefix: String,
    _folder: TempDir,
}

impl Sides {
    pub(crate) fn start() -> Self {
        // refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(folder.path(), Options::default()).unwrap(),
            http: Client::builder().timeout(PATIENCE).no_proxy().build().unwrap(),
            opentsdb: tokio::task::block_in_place(|| &real::shared().opentsdb),
            now_ms: Clock::system().now_ms(),
            prefix: real::topic_prefix(),
            _folder: folder,
        }
    }

    /// One moment for the whole test.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What every metric of the test begins with: OpenTSDB is shared.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) async fn put(&self, samples: &[Sample]) {
        self.store.put(samples).unwrap();
        for part in samples.chunks(POINTS_AT_ONCE) {
            let points: Vec<Value> = part.iter().map(write).collect();
            let response = self.http.post(format!("{}/api/put?sync&details", self.opentsdb)).json(&points).send().await.unwrap();
            let (status, body) = (response.status(), response.text().await.unwrap());
            assert!(status.is_success() && body.contains("\"failed\":0"), "{status} {body}");
        }
    }

    /// Both answers, the embedded store's first. Each has the status 200.
    pub(crate) async fn ask<T>(&self, question: &Question, decode: Decode<'_, T>) -> (T, T) {
        (decode(&self.ask_store(question)), decode(&self.ask_opentsdb(question).await))
    }

    /// The answer of both. OpenTSDB lists a series some time after it has taken the first point, so it is asked until it agrees.
    pub(crate) async fn agree<T: PartialEq + std::fmt::Debug>(&self, question: &Question, decode: Decode<'_, T>) -> T {
        let watch = Stopwatch::start();
        loop {
            let (ours, theirs) = self.ask(question, decode).await;
            if ours == theirs {
                return ours;
            }
            assert!(watch.elapsed() < PATIENCE, "{question:?}: ours\n{ours:?}\nand OpenTSDB's\n{theirs:?}");
            task::sleep(LOOK_EVERY).await;
        }
    }

    fn ask_store(&self, question: &Question) -> Bytes {
        let path = question.target.strip_prefix("/api/").expect("a path below `/api/`");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let answer = self.store.answer(&Request {
            method: question.method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body: Bytes::from(question.body.clone()),
            now_ms: self.now_ms,
        });
        assert_eq!(answer.status, 200, "the embedded store to {question:?}: {}", String::from_utf8_lossy(&answer.body));
        answer.body
    }

    async fn ask_opentsdb(&self, question: &Question) -> Bytes {
        let method = Method::from_bytes(question.method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{}", self.opentsdb, question.target));
        if !question.body.is_empty() {
            request = request.header("Content-Type", "application/json").body(question.body.clone());
        }
        let response = request.send().await.unwrap();
        let (status, body) = (response.status(), response.bytes().await.unwrap());
        assert_eq!(status, 200, "OpenTSDB to {question:?}: {}", String::from_utf8_lossy(&body));
        body
    }
}

fn write(sample: &Sample) -> Value {
    let tags: serde_json::Map<String, Value> = sample.series.tags.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({ "metric": sample.series.metric.as_str(), "timestamp": sample.at.sent(), "value": sample.value.to_string(), "tags": tags })
}
