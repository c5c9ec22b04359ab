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
use loki_runner::Control;
use loki_runtime::task;
use tokio::sync::mpsc;

use super::verify::{self, Line};
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
        .route("/v1/operations/rebuild/{store}", post(rebuild))
        .route("/v1/operations/verify", post(verify))
        .with_state(Operations { backends, controls })
}

async fn rebuild(State(operations): State<Operations>, Path(store): Path<String>) -> Response {
    match operations.controls.0.get(store.as_str()) {
        Some(control) => {
            control.rebuild();
            StatusCode::ACCEPTED.into_response()
        }
        None => problem(StatusCode::NOT_FOUND, "not_found", &format!("there is no store `{store}`: mysql, history or zookeeper")),
    }
}

/// Lines of JSON as they are found. Differences are bounded per store, so the queue is too.
async fn verify(State(operations): State<Operations>) -> Response {
    let (sender, lines) = mpsc::unbounded_channel::<Line>();
    task::spawn("verify", async move {
        // whoever asked may have gone away meanwhile; the walk is short
        let mut out = |line: Line| drop(sender.send(line));
        if let Err(error) = verify::all(&operations.backends, &mut out).await {
            out(Line::Failed { error: format!("{error:#}") });
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
