//! Operations on stores for a process that runs everything: `POST /v1/operations/…`. Operators' commands of the embedded set come here, because no
//! other process may open its files; on the real set they work on the backends themselves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_api::Problem;
use loki_cli::operations::{Asked, Finding, Rebuilding};
use loki_cli::{Exit, Failure};
use loki_runner::{Control, Mode};
use loki_runtime::{Shutdown, task};
use tokio::sync::mpsc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::replays::Replays;
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
    replays: Replays,
}

/// The name of the store that is filled again by a replay.
const SERIES: &str = "opentsdb";

pub(crate) fn router(backends: Arc<Backends>, controls: Controls, shutdown: Shutdown) -> OpenApiRouter {
    let replays = Replays::new(backends.clone(), shutdown);
    OpenApiRouter::new().routes(routes!(rebuild, rebuilding)).routes(routes!(verify)).with_state(Operations { backends, controls, replays })
}

/// Describes `loki_cli::operations::Asked`, which knows nothing of OpenAPI.
#[derive(ToSchema)]
#[schema(as = RebuildAsked)]
#[expect(dead_code, reason = "only described")]
struct DescribedAsked {
    /// The request's number in this process.
    request: u64,
}

/// Describes `loki_cli::operations::Rebuilding`.
#[derive(ToSchema)]
#[schema(as = Rebuilding)]
#[expect(dead_code, reason = "only described")]
struct DescribedRebuilding {
    /// The newest request.
    wanted: u64,
    /// The newest request whose rebuild is finished.
    rebuilt: u64,
    /// Where the rebuild in hand is; null when there is none.
    position: Option<u64>,
    end: Option<u64>,
    /// The log's time of the oldest sample that the last replay found; only of `opentsdb`.
    since_ms: Option<i64>,
}

/// Asks for a store to be built anew from the log.
///
/// Answers at once with the request's number; the store is built when `rebuilt` of the same path has reached it.
#[utoipa::path(
    post, path = "/v1/operations/rebuild/{store}", tag = "operation",
    params(("store" = String, Path, description = "`mysql`, `history`, `task_logs`, `cdn_system`, `zookeeper`, `redis` where there is one, or `opentsdb`")),
    responses((status = 202, description = "It will be built anew", body = DescribedAsked), (status = 404, description = "No such projection", body = Problem))
)]
async fn rebuild(State(operations): State<Operations>, Path(store): Path<String>) -> Response {
    if store == SERIES {
        return (StatusCode::ACCEPTED, Json(operations.replays.ask())).into_response();
    }
    let Some(control) = operations.controls.0.get(store.as_str()) else { return operations.unknown(&store) };
    control.rebuild();
    (StatusCode::ACCEPTED, Json(Asked { request: control.wanted() })).into_response()
}

/// How far a store is in being built anew.
#[utoipa::path(
    get, path = "/v1/operations/rebuild/{store}", tag = "operation",
    params(("store" = String, Path, description = "`mysql`, `history`, `task_logs`, `cdn_system`, `zookeeper`, `redis` where there is one, or `opentsdb`")),
    responses((status = 200, description = "The newest request, and how far it is", body = DescribedRebuilding),
        (status = 404, description = "No such projection", body = Problem))
)]
async fn rebuilding(State(operations): State<Operations>, Path(store): Path<String>) -> Response {
    if store == SERIES {
        return Json(operations.replays.now()).into_response();
    }
    let Some(control) = operations.controls.0.get(store.as_str()) else { return operations.unknown(&store) };
    let (position, end) = match control.now().mode {
        Mode::Rebuilding { position, end, .. } => (Some(position), Some(end)),
        _ => (None, None),
    };
    Json(Rebuilding { wanted: control.wanted(), rebuilt: control.rebuilt(), position, end, since_ms: None }).into_response()
}

impl Operations {
    fn unknown(&self, store: &str) -> Response {
        let known: Vec<&str> = self.controls.0.keys().copied().chain([SERIES]).collect();
        Problem::not_found(format!("there is no projection `{store}` here: {}", known.join(", "))).into_response()
    }
}

/// Compares every store with the log.
///
/// Lines of JSON as they are found: `{"store":"mysql","difference":"missing","key":"node/…","log":…}` for each difference,
/// `{"store":"mysql","equal":true,"entries":7}` at the end of each store, `{"error":"…"}` when one cannot be compared.
// Differences are bounded per store, so the queue is too.
#[utoipa::path(
    post, path = "/v1/operations/verify", tag = "operation",
    responses((status = 200, description = "What is found, a line each", content_type = "application/x-ndjson", body = String))
)]
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
