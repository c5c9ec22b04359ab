//! Operations on stores for a process that runs everything: `POST /v1/operations/…`. Operators' commands of the embedded set come here, because no
//! other process may open its files; on the real set they work on the backends themselves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use loki_cli::operations::{Asked, Finding, Rebuilding};
use loki_cli::{Exit, Failure};
use loki_runner::{Control, Mode};
use loki_runtime::task;
use tokio::sync::mpsc;

use super::verify;
use crate::backends::Backends;

/// The loops that can be asked for a rebuild, by store.
#[derive(Clone, Default)]
pub(crate) struct Controls(BTreeMap<&'static str, Control>);

impl Controls {
    pub(crate) fn add(&mut self, store: &'static str, control: Control) {
        self.0.insert(store, control);
    }
}

#[derive(Clone)]
struct Operations {
    backends: Arc<Backends>,
    controls: Controls,
}

pub(crate) fn router(backends: Arc<Backends>, controls: Controls) -> Router {
    Router::new()
        .route("/v1/operations/rebuild/{store}", post(rebuild).get(rebuilding))
        .route("/v1/operations/verify", post(verify))
        .with_state(Operations { backends, controls })
}

async fn rebuild(State(operations): State<Operations>, Path(store): Path<String>) -> Response {
    let Some(control) = operations.controls.0.get(store.as_str()) else { return unknown(&store) };
    control.rebuild();
    (StatusCode::ACCEPTED, Json(Asked { request: control.wanted() })).into_response()
}

async fn rebuilding(State(operations): State<Operations>, Path(store): Path<String>) -> Response {
    let Some(control) = operations.controls.0.get(store.as_str()) else { return unknown(&store) };
    let (position, end) = match control.now().mode {
        Mode::Rebuilding { position, end, .. } => (Some(position), Some(end)),
        _ => (None, None),
    };
    Json(Rebuilding { wanted: control.wanted(), rebuilt: control.rebuilt(), position, end }).into_response()
}

fn unknown(store: &str) -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", &format!("there is no projection `{store}`: mysql, history or zookeeper"))
}

/// Lines of JSON as they are found. Differences are bounded per store, so the queue is too.
async fn verify(State(operations): State<Operations>) -> Response {
    let (sender, lines) = mpsc::unbounded_channel::<Finding>();
    task::spawn("verify", async move {
        let gone = || Failure::new(Exit::Failed, "nobody listens any more");
        let mut out = |finding: Finding| sender.send(finding).map_err(|_| gone());
        if let Err(error) = verify::all(&operations.backends, &mut out).await {
            let _whether_someone_listens = out(Finding::Failed { error: format!("{error:#}") });
        }
    });
    let stream = futures::stream::unfold(lines, |mut lines| async move {
        let line = lines.recv().await?;
        let mut json = serde_json::to_vec(&line).unwrap_or_default();
        json.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(json)), lines))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = Json(
        serde_json::json!({ "type": format!("urn:loki:problem:{code}"), "title": status.canonical_reason(), "status": status.as_u16(), "code": code, "detail": detail }),
    );
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
