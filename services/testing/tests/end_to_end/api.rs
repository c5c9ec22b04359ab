//! A client of the API for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loki_core::generate::Asked;
use serde_json::{Value, json};

/// How long anything may take, on however busy a machine: only what fails is waited for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    client: reqwest::Client,
    /// How often a command was sent again that was not acknowledged: it may be in the log all the same.
    repeated: Arc<AtomicUsize>,
}

impl Api {
    pub(crate) fn new(address: &str) -> Self {
        let client = loki_cli::client::plain().timeout(Duration::from_secs(20)).build().unwrap();
        Self { base: format!("http://{address}"), client, repeated: Arc::default() }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<(u16, Value)> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null)))
    }

    /// The body as it came.
    pub(crate) async fn text(&self, path: &str) -> reqwest::Result<String> {
        self.client.get(format!("{}{path}", self.base)).send().await?.error_for_status()?.text().await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Result<(u16, Value)> {
        let answer = self.client.post(format!("{}{path}", self.base)).body(body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null)))
    }

    /// Sends a command until it is acknowledged, however often the API or the log is away; gives the answer.
    pub(crate) async fn send(&self, asked: &Asked, wait: bool) -> Value {
        self.insist(&body(asked), wait).await
    }

    async fn insist(&self, body: &Value, wait: bool) -> Value {
        let path = if wait { "/v1/commands?wait=10s" } else { "/v1/commands" };
        let started = Instant::now();
        loop {
            let why = match self.post(path, body.to_string()).await {
                Ok((200, answer)) => return answer,
                Ok((202, answer)) if !wait => return answer,
                Ok((202 | 503, answer)) => answer.to_string(),
                Ok((status, answer)) => panic!("{body} was answered {status} {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(started.elapsed() < PATIENCE, "{body} is not acknowledged: {why}");
            self.repeated.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn repeated(&self) -> usize {
        self.repeated.load(Ordering::SeqCst)
    }

    /// Sends a command that must be accepted; gives the outcome.
    pub(crate) async fn accept(&self, kind: &str, data: Value) -> Value {
        let id = format!("{:032x}", rand::random::<u128>());
        let answer = self.insist(&json!({ "id": id, "type": kind, "data": data }), true).await;
        assert_eq!(answer["outcome"], "accepted", "{answer}");
        answer
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        self.until_within(PATIENCE, path, wanted).await
    }

    /// The same with a patience of one's own.
    pub(crate) async fn until_within(&self, patience: Duration, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let said = match self.get(path).await {
                Ok((status, answer)) if wanted(status, &answer) => return answer,
                Ok((status, answer)) => format!("{status} {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(started.elapsed() < patience, "{path} is still answered {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every projection is live and at the end, and every command has its outcome.
    pub(crate) async fn settled(&self) {
        self.settled_within(PATIENCE).await;
    }

    /// The same with a patience of one's own.
    pub(crate) async fn settled_within(&self, patience: Duration) {
        self.until_within(patience, "/v1/status", |status, answer| {
            let projections = answer["projections"].as_array().cloned().unwrap_or_default();
            status == 200
                && answer["undecided"] == 0
                && projections.len() >= 6
                && projections.iter().all(|p| p["state"] == "live" && p["lag"] == 0)
        })
        .await;
    }

    /// All dead letters as they are listed, each once: their codes by their ids.
    pub(crate) async fn letters(&self) -> BTreeMap<String, String> {
        let mut letters = BTreeMap::new();
        let mut path = "/v1/dead?limit=1000".to_owned();
        loop {
            let (status, answer) = self.get(&path).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            for letter in answer["items"].as_array().unwrap() {
                let text = |name: &str| letter[name].as_str().unwrap().to_owned();
                assert!(letters.insert(text("id"), text("code")).is_none(), "{letter} is listed twice");
            }
            match answer["next"].as_str() {
                Some(next) => path = format!("/v1/dead?limit=1000&cursor={next}"),
                None => return letters,
            }
        }
    }

    /// All lines of the audit, newest first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        let mut path = "/v1/audit?limit=1000".to_owned();
        loop {
            let (status, mut answer) = self.get(&path).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            lines.append(answer["items"].as_array_mut().unwrap());
            match answer["next"].as_str() {
                Some(next) => path = format!("/v1/audit?limit=1000&cursor={next}"),
                None => return lines,
            }
        }
    }
}

/// A command as JSON.
pub(crate) fn body(asked: &Asked) -> Value {
    let data: Value = serde_json::from_slice(&loki_wire::command::write(&asked.command)).unwrap();
    json!({ "id": asked.id, "actor": asked.actor, "type": asked.command.type_name(), "data": data })
}
