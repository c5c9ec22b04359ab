//! What the prober needs of the API: the list of domains in parts, and samples.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use loki_runtime::{Shutdown, task};
use serde_json::{Value, json};

/// Domains of one part: fewer than are asked for, as a server may decide.
const PART: usize = 2;

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) domains: Vec<Value>,
    /// The cursors of the parts that were sent.
    pub(crate) parts: Vec<usize>,
    pub(crate) points: Vec<Value>,
    /// Requests with points that were not taken.
    pub(crate) not_taken: usize,
    /// The points' requests are answered by 503.
    pub(crate) takes_nothing: bool,
}

/// Cheap to clone. What it has seen outlives its being away.
#[derive(Clone, Default)]
pub(crate) struct Stub(Arc<Mutex<Seen>>);

#[derive(serde::Deserialize)]
struct Asked {
    node: String,
    recursive: bool,
    limit: usize,
    cursor: Option<usize>,
}

impl Stub {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// Starts one and gives its address.
    pub(crate) async fn start(&self) -> String {
        format!("http://{}", self.listen("127.0.0.1:0".parse().unwrap()).await.0)
    }

    /// Listens until the shutdown that it returns begins.
    pub(crate) async fn listen(&self, address: SocketAddr) -> (SocketAddr, Shutdown) {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/domains", get(domains)).route("/api/put", post(put)).with_state(self.clone());
        let shutdown = Shutdown::new();
        let done = shutdown.clone();
        task::spawn("stub", async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { done.begun().await }).await.unwrap();
        });
        (address, shutdown)
    }

    /// The values of a series by its metric and the ends of its path, in the order in which they came.
    pub(crate) fn values(&self, metric: &str, path: &str) -> Vec<f64> {
        let points = self.points(metric);
        points.iter().filter(|point| point["tags"]["path"] == path).map(|point| point["value"].as_f64().unwrap()).collect()
    }

    pub(crate) fn points(&self, metric: &str) -> Vec<Value> {
        self.seen().points.iter().filter(|point| point["metric"] == metric).cloned().collect()
    }

    /// Which phases of a path were measured.
    pub(crate) fn phases(&self, path: &str) -> Vec<String> {
        let points = self.points("domain.phase.time");
        let mut phases: Vec<String> = points
            .iter()
            .filter(|point| point["tags"]["path"] == path)
            .map(|point| point["tags"]["phase"].as_str().unwrap().to_owned())
            .collect();
        phases.sort();
        phases.dedup();
        phases
    }
}

async fn domains(State(stub): State<Stub>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    assert!(asked.recursive && asked.node == "/acme" && asked.limit == 1_000);
    assert_eq!(headers["authorization"], "Bearer sesame");
    let mut seen = stub.seen();
    let start = asked.cursor.unwrap_or(0);
    let end = (start + PART).min(seen.domains.len());
    let next = (end < seen.domains.len()).then(|| end.to_string());
    let body = json!({ "items": seen.domains[start.min(end)..end], "next": next });
    seen.parts.push(start);
    Json(body).into_response()
}

async fn put(State(stub): State<Stub>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    assert!(query.is_some_and(|query| query.starts_with("details")));
    assert_eq!((headers["content-encoding"].as_bytes(), headers["authorization"].as_bytes()), (&b"gzip"[..], &b"Bearer sesame"[..]));
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut json).unwrap();
    let points: Vec<Value> = serde_json::from_slice(&json).unwrap();
    assert!((1..=1_000).contains(&points.len()), "{}", points.len());
    let mut seen = stub.seen();
    if seen.takes_nothing {
        seen.not_taken += 1;
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"code": "not_ready", "detail": "the log is away"}))).into_response();
    }
    let count = points.len();
    seen.points.extend(points);
    Json(json!({"success": count, "failed": 0, "errors": []})).into_response()
}
