//! What the agent needs of the API: commands, one server, samples; and a switch for each way to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use loki_runtime::{Shutdown, task};
use serde::Deserialize;
use serde_json::{Value, json};

/// The id by which the API knows the server, unless it was registered anew.
pub(crate) const SERVER: &str = "0123456789abcdef";

/// How `/api/put` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Put {
    #[default]
    Takes,
    Fails(StatusCode),
    /// Takes all but the points of this metric.
    Refuses(&'static str),
    /// Answers after so long.
    Slow(Duration),
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) put: Put,
    pub(crate) servers: BTreeMap<String, Value>,
    pub(crate) mounts: BTreeSet<(String, String)>,
    /// Serial numbers that another server has.
    pub(crate) taken_serials: bool,
    /// Commands are answered at once, and their outcomes are asked for.
    pub(crate) late: bool,
    /// The outcome that was held back.
    outcome: Value,
    /// Type and data, in order.
    pub(crate) commands: Vec<(String, Value)>,
    /// The requests with samples that were taken, in order.
    pub(crate) requests: Vec<Vec<Value>>,
    /// How often `/api/put` was asked.
    pub(crate) asked: usize,
    pub(crate) tokens: BTreeSet<String>,
    /// How often the server was looked at.
    pub(crate) looked: usize,
    /// Documents with their signatures.
    pub(crate) tasks: Vec<(String, String)>,
    /// Moves with each change of the tasks.
    pub(crate) fact: u64,
    /// The id that the server's name has, where it is not [`SERVER`].
    pub(crate) server: Option<&'static str>,
    /// The questions for tasks.
    pub(crate) asked_tasks: Vec<String>,
    /// Reports are not taken.
    pub(crate) reports_fail: bool,
    /// What tasks have printed, as it was taken.
    pub(crate) chunks: Vec<Chunk>,
    /// How often that was asked, and what is answered instead of taking it.
    pub(crate) chunks_asked: usize,
    pub(crate) chunks_answer: Option<(StatusCode, &'static str)>,
}

/// As it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    pub(crate) run: String,
    #[serde(default)]
    pub(crate) host: String,
    pub(crate) attempt: u32,
    pub(crate) step: String,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) text: String,
    pub(crate) last: bool,
}

/// Cheap to clone. What it has seen outlives its being away.
#[derive(Clone, Default)]
pub(crate) struct Stub(Arc<Mutex<Seen>>);

impl Stub {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    pub(crate) fn set(&self, put: Put) {
        self.seen().put = put;
    }

    /// Listens until the shutdown that it returns begins.
    pub(crate) async fn listen(&self, address: SocketAddr) -> (SocketAddr, Shutdown) {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/commands", post(command))
            .route("/v1/commands/{position}", get(outcome))
            .route("/v1/servers/{name}", get(server))
            .route("/v1/servers/{name}/tasks", get(tasks))
            .route("/v1/runs/{run}/hosts/{host}/log", post(log))
            .route("/api/put", post(put))
            .with_state(self.clone());
        let shutdown = Shutdown::new();
        let done = shutdown.clone();
        task::spawn("stub", async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { done.begun().await }).await.unwrap();
        });
        (address, shutdown)
    }

    /// All samples that were taken, in order.
    pub(crate) fn points(&self) -> Vec<Value> {
        self.seen().requests.concat()
    }

    /// The instants of `host.up` in the order in which they were taken.
    pub(crate) fn rounds(&self) -> Vec<i64> {
        let points = self.points();
        points.iter().filter(|point| point["metric"] == "host.up").map(|point| ms(&point["timestamp"])).collect()
    }
}

pub(crate) fn ms(timestamp: &Value) -> i64 {
    let sent = timestamp.as_i64().unwrap();
    if sent > i64::from(u32::MAX) { sent } else { sent * 1_000 }
}

async fn command(State(stub): State<Stub>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    assert!(query.is_some_and(|query| query.starts_with("wait=")));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (kind, data) = (body["type"].as_str().unwrap().to_owned(), body["data"].clone());
    assert_eq!(body["actor"], "agent");
    let mut seen = stub.seen();
    if kind == "run.report" && seen.reports_fail {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    seen.tokens.extend(headers.get("authorization").map(|token| token.to_str().unwrap().to_owned()));
    seen.commands.push((kind.clone(), data.clone()));
    let rejected = |field: &str| json!({"id": body["id"], "outcome": "rejected", "position": "c1", "code": "already_exists", "field": field, "message": "it is there already"});
    let text = |field: &str| data[field].as_str().unwrap().to_owned();
    if seen.taken_serials && data["serial"].is_string() {
        return Json(rejected("serial")).into_response();
    }
    match kind.as_str() {
        "server.register" if seen.servers.get(&text("name")).is_some_and(|server| server["state"] != "retired") => {
            return Json(rejected("name")).into_response();
        }
        "server.register" => {
            seen.servers.insert(text("name"), data);
        }
        "server.update" => {
            let server = seen.servers.get_mut(&text("server")).unwrap();
            for (field, value) in data.as_object().unwrap() {
                match (field.as_str(), value) {
                    ("labels", Value::Object(labels)) => labels.iter().for_each(|(label, value)| server["labels"][label] = value.clone()),
                    _ => server[field] = value.clone(),
                }
            }
        }
        "node.create" | "run.report" => {}
        "server.mount" => {
            if !seen.mounts.insert((text("server"), text("node"))) {
                return Json(rejected("server")).into_response();
            }
        }
        other => panic!("the agent asked for `{other}`"),
    }
    let outcome = json!({"id": body["id"], "outcome": "accepted", "position": "c1", "after": "f1", "facts": []});
    if seen.late {
        seen.outcome = outcome;
        return (StatusCode::ACCEPTED, Json(json!({"id": body["id"], "outcome": "pending", "position": "c1"}))).into_response();
    }
    Json(outcome).into_response()
}

/// Pending the first time.
async fn outcome(State(stub): State<Stub>, Path(position): Path<String>) -> Response {
    assert_eq!(position, "c1");
    let mut seen = stub.seen();
    let pending = json!({"id": "", "outcome": "pending", "position": "c1"});
    if seen.outcome["asked"].is_null() {
        seen.outcome["asked"] = true.into();
        return (StatusCode::ACCEPTED, Json(pending)).into_response();
    }
    Json(seen.outcome.clone()).into_response()
}

async fn server(State(stub): State<Stub>, Path(name): Path<String>) -> Response {
    let mut seen = stub.seen();
    seen.looked += 1;
    match seen.servers.get(&name) {
        Some(server) => {
            let mounts: Vec<Value> = seen.mounts.iter().filter(|(of, _)| *of == name).map(|(_, node)| json!({ "path": node })).collect();
            Json(json!({ "server": server, "mounts": mounts })).into_response()
        }
        None => (StatusCode::NOT_FOUND, Json(json!({ "code": "not_found", "detail": "no such server" }))).into_response(),
    }
}

async fn log(State(stub): State<Stub>, Path((run, host)): Path<(String, String)>, Json(chunk): Json<Chunk>) -> Response {
    let mut seen = stub.seen();
    seen.chunks_asked += 1;
    match seen.chunks_answer {
        None => {
            seen.chunks.push(Chunk { run, host, ..chunk });
            (StatusCode::ACCEPTED, Json(json!({ "position": "l0" }))).into_response()
        }
        Some((status, code)) => {
            // a redirect leads to nobody
            (status, [("location", "http://127.0.0.1:1/")], Json(json!({ "code": code, "detail": "no" }))).into_response()
        }
    }
}

/// Waits a moment where nothing is new.
async fn tasks(State(stub): State<Stub>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let (server, position, items) = {
        let mut seen = stub.seen();
        seen.asked_tasks.push(format!("{name}?{query}"));
        let named = seen.server.unwrap_or(SERVER);
        // any id is one, and that of nobody has no tasks
        let server = name.strip_prefix("id:").unwrap_or(named).to_owned();
        let item = |(document, signature): &(String, String)| json!({ "document": document, "signature": signature });
        let items: Vec<_> = seen.tasks.iter().filter(|_| server == named).map(item).collect();
        (server, format!("f{}", seen.fact), items)
    };
    if query.contains(&format!("seen={position}&")) {
        task::sleep(Duration::from_millis(20)).await;
        return (StatusCode::NO_CONTENT, [("loki-position", position)]).into_response();
    }
    ([("loki-position", position)], Json(json!({ "server": server, "items": items }))).into_response()
}

async fn put(State(stub): State<Stub>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!((query.as_deref(), headers["content-encoding"].as_bytes()), (Some("details="), b"gzip".as_slice()));
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut json).unwrap();
    let points: Vec<Value> = serde_json::from_slice(&json).unwrap();
    assert!((1..=1_000).contains(&points.len()), "{}", points.len());
    let mode = {
        let mut seen = stub.seen();
        seen.asked += 1;
        seen.put
    };
    if let Put::Slow(wait) = mode {
        task::sleep(wait).await;
    }
    let mut seen = stub.seen();
    match mode {
        Put::Fails(status) => (status, Json(json!({"code": "not_now", "detail": "the log is away"}))).into_response(),
        Put::Refuses(metric) => {
            let (refused, taken): (Vec<Value>, Vec<Value>) = points.into_iter().partition(|point| point["metric"] == metric);
            let errors: Vec<Value> = refused.iter().map(|point| json!({"datapoint": point, "error": "no such metric"})).collect();
            let body = json!({"success": taken.len(), "failed": refused.len(), "errors": errors});
            seen.requests.push(taken);
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        Put::Takes | Put::Slow(_) => {
            let count = points.len();
            seen.requests.push(points);
            Json(json!({"success": count, "failed": 0, "errors": []})).into_response()
        }
    }
}
