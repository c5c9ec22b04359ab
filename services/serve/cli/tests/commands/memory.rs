//! A small Loki in memory: it decides with the real rules and answers the routes that an import asks. No log, no stores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use loki_core::{Origin, State, decide};
use loki_domain::{Entity, NodeId, NodePath, Position, Server, ServerState};
use loki_runtime::task;
use loki_wire::{Envelope, Intake, Outcome, Verdict, WrittenFact, fact, outcome};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) state: State,
    /// Answers by id, as they were first given.
    answers: HashMap<String, Value>,
    /// Envelopes in the order in which they were decided.
    pub(crate) decided: Vec<Envelope>,
    facts: u64,
    requests: u64,
    /// Every so many commands, one is refused before, or answered 503 after it was decided.
    pub(crate) trouble_every: Option<u64>,
    /// After so many decided commands every request fails.
    pub(crate) dies_after: Option<usize>,
    in_flight: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) queries: Vec<String>,
}

pub(crate) struct Memory {
    pub(crate) api: String,
    pub(crate) inner: Arc<Mutex<Inner>>,
    serving: JoinHandle<()>,
}

type Held = Shared<Arc<Mutex<Inner>>>;

impl Memory {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let router = Router::new()
            .route("/v1/commands", post(command))
            .route("/v1/tree", get(top))
            .route("/v1/nodes", get(nodes))
            .route("/v1/servers", get(servers))
            .with_state(inner.clone());
        let serving = task::spawn("memory", async move { axum::serve(listener, router).await.unwrap() });
        Self { api, inner, serving }
    }

    /// Decides a command that must be accepted.
    pub(crate) fn given(&self, kind: &str, data: Value) {
        let mut inner = self.inner.lock().unwrap();
        let id = format!("given-{}", inner.decided.len());
        let answer = inner.decide(Envelope { id: Some(id), ..Envelope::new(kind, data.to_string()) });
        assert_eq!(answer["outcome"], "accepted", "{answer}");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Inner {
    fn decide(&mut self, envelope: Envelope) -> Value {
        let id = envelope.id.clone().unwrap();
        let command = Intake::read(&envelope).unwrap().command;
        let decided = decide(&self.state, &command, &Origin::new(&envelope.actor, &id), 0);
        let verdict = match decided {
            Ok(decision) => {
                let mut facts = vec![];
                for (key, entity) in decision.facts {
                    let json = entity.as_ref().map(json_of);
                    let _ = self.state.evolve(key, entity);
                    facts.push(WrittenFact { key, offset: self.facts, json });
                    self.facts += 1;
                }
                Verdict::Accepted { after: self.facts.checked_sub(1), facts }
            }
            Err(rejection) => Verdict::Rejected(rejection),
        };
        let (kind, actor, position) = (envelope.kind.clone(), envelope.actor.clone(), self.decided.len() as u64);
        let outcome =
            Outcome { id: id.clone(), actor, kind, command: position, at_ms: 0, rules: 1, previous: [0; 32], digest: None, verdict };
        let answer: Value = serde_json::from_slice(&outcome::write(&outcome, None).value).unwrap();
        self.decided.push(envelope);
        self.answers.insert(id, answer.clone());
        answer
    }

    fn position(&self) -> [(&'static str, String); 1] {
        [("loki-position", Position::fact(self.facts.saturating_sub(1)).to_string())]
    }

    fn mounts(&self, server: &Server) -> Vec<Value> {
        let mounts = self.state.mounts().of_server(server.id);
        mounts.map(|mount| json!({"node": self.state.tree().path(mount.node).to_string(), "offline": mount.offline, "ratio": null, "weight": 1, "membership": null})).collect()
    }
}

fn json_of(entity: &Entity) -> Box<serde_json::value::RawValue> {
    serde_json::from_slice(&fact::v1::write_entity(entity)).unwrap()
}

fn away() -> Response {
    let problem =
        json!({"type": "urn:loki:problem:not_ready", "title": "x", "status": 503, "code": "not_ready", "detail": "the log is away"});
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], Json(problem)).into_response()
}

async fn command(Shared(inner): Held, body: Bytes) -> Response {
    let request = {
        let mut inner = inner.lock().unwrap();
        inner.in_flight += 1;
        inner.in_flight_max = inner.in_flight_max.max(inner.in_flight);
        inner.requests += 1;
        inner.requests
    };
    // long enough that others come in meanwhile
    task::sleep(Duration::from_millis(1)).await;
    let mut inner = inner.lock().unwrap();
    inner.in_flight -= 1;
    let trouble = inner.trouble_every.map(|every| request % every);
    if trouble == Some(0) || inner.dies_after.is_some_and(|dies| inner.decided.len() >= dies) {
        return away();
    }
    let envelope = match Envelope::read_body(&body).and_then(|envelope| Intake::read(&envelope).map(|_| envelope)) {
        Ok(envelope) => envelope,
        Err(error) => {
            let problem = json!({"code": error.code(), "detail": error.to_string(), "field": error.field()});
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
        }
    };
    let first = inner.answers.get(envelope.id.as_deref().unwrap()).cloned();
    let answer = match first {
        Some(mut first) => {
            first["duplicate_of"] = first["position"].clone();
            first
        }
        None => inner.decide(envelope),
    };
    // decided, but the answer is lost
    if trouble == Some(1) { away() } else { Json(answer).into_response() }
}

/// Asked for its position only.
async fn top(Query(query): Query<HashMap<String, String>>, Shared(inner): Held) -> Response {
    assert_eq!(query["depth"], "0", "more may be too much for one answer");
    (inner.lock().unwrap().position(), Json(json!({"id": null, "name": "", "path": "/", "labels": {}, "children": []}))).into_response()
}

/// A node and all below it, in parts of a hundred.
async fn nodes(Query(query): Query<HashMap<String, String>>, Shared(inner): Held) -> Response {
    let inner = inner.lock().unwrap();
    let path: NodePath = query["under"].parse().unwrap();
    let id = inner.state.tree().at(&path);
    if id.is_none() && !path.is_root() {
        return (StatusCode::NOT_FOUND, Json(json!({"code": "not_found", "detail": format!("no node `{path}`")}))).into_response();
    }
    let mut found = Vec::new();
    below(&inner.state, id, &mut found);
    let from: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let next = (from + 100 < found.len()).then(|| (from + 100).to_string());
    let items: Vec<Value> = found.into_iter().skip(from).take(100).collect();
    (inner.position(), Json(json!({"items": items, "next": next}))).into_response()
}

fn below(state: &State, id: Option<NodeId>, found: &mut Vec<Value>) {
    if let Some(node) = id.and_then(|id| state.tree().get(&id)) {
        let labels: HashMap<&str, String> = node.labels.iter().map(|(key, value)| (key, value.to_string())).collect();
        let (path, servers) = (state.tree().path(node.id).to_string(), state.mounts().of_node(node.id).count());
        found.push(json!({"id": node.id.to_string(), "name": node.name.to_string(), "path": path, "labels": labels, "contacts": [], "defaults": {}, "servers": servers}));
    }
    state.tree().children(id).for_each(|child| below(state, Some(child), found));
}

/// Of a node, or all in parts of a hundred.
async fn servers(Query(query): Query<HashMap<String, String>>, Shared(inner): Held) -> Response {
    let mut inner = inner.lock().unwrap();
    let mut asked: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    asked.sort();
    inner.queries.push(asked.join("&"));
    let living: Vec<&Server> = inner.state.servers().iter().filter(|server| server.state != ServerState::Retired).collect();
    let Some(node) = query.get("node") else {
        let from: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let items: Vec<_> = living.iter().skip(from).take(100).map(|server| json_of(&Entity::Server((*server).clone()))).collect();
        let next = (from + 100 < living.len()).then(|| (from + 100).to_string());
        return (inner.position(), Json(json!({"items": items, "next": next}))).into_response();
    };
    assert_eq!(query["recursive"], "true");
    let below = format!("{node}/");
    let under = |mount: &Value| mount["node"] == node.as_str() || mount["node"].as_str().unwrap().starts_with(&below);
    let servers = living.into_iter().filter_map(|server| {
        let mounts: Vec<Value> = inner.mounts(server).into_iter().filter(under).collect();
        (!mounts.is_empty()).then(|| json!({"id": server.id.to_string(), "name": server.name.to_string(), "state": "online", "addresses": [], "idc": null, "labels": {}, "mounts": mounts}))
    });
    (inner.position(), Json(json!({"node": {"path": node}, "servers": servers.collect::<Vec<_>>()}))).into_response()
}
