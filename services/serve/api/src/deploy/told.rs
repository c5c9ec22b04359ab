//! `GET /v1/servers/{name}/tasks`: what a server's agent is to do now, as it was signed. Agents wait here for their tasks.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use loki_domain::{Position, ServerId, ServerRef, Stream};
use loki_mysql::port::{Answer, Told};
use loki_runtime::task;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::{read, wait};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The header `Loki-Position` of the answer that the caller has, `f42`.
    seen: Option<String>,
    /// With `seen`: how long to wait for something new, `10s`; at most an hour, and never longer than `api.wait_max`.
    wait: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// Whether an agent asks for its tasks: [`list_told`].
pub(crate) fn is_for_tasks(request: &Request) -> bool {
    let path = request.uri().path();
    path.strip_prefix("/v1/servers/").and_then(|rest| rest.strip_suffix("/tasks")).is_some_and(|name| !name.contains('/'))
}

/// What a server is to do now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tasks {
    /// The server's id.
    server: String,
    /// The oldest first. Empty: nothing.
    items: Vec<Task>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// JSON as a text: exactly these bytes are signed.
    document: String,
    /// Of Ed25519 over DSSE's encoding of the document, with the type `application/vnd.loki.task.v1`; in base 16.
    signature: String,
}

/// The open tasks of a server, with the decider's signatures.
///
/// With `seen` and `wait` it answers as soon as a task of the server has changed since, or with 204 at the end of the wait. Asked by the server's id,
/// waiting costs no store anything.
#[utoipa::path(
    get, path = "/v1/servers/{name}/tasks", tag = "deploys",
    params(Parameters, ("name" = String, Path, description = "The server's name, or `id:` and its id")),
    responses((status = 200, description = "The tasks", body = Tasks),
        (status = 204, description = "Nothing has changed since `seen`"), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such server", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_told(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response> {
    let limit = parameters.wait.as_deref().map(|text| wait::duration("wait", text, app.config.wait_max)).transpose()?;
    let seen = parameters.seen.as_deref().map(|text| wait::position("seen", text, Stream::Fact)).transpose()?;
    if limit.is_some() && seen.is_none() {
        return Err(Problem::bad_parameter("wait", "`wait` needs `seen`, the `Loki-Position` of the answer that you have"));
    }
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let server = id_of(&app, "name", &name).await?;
    let mut waiting = app.tail.changed().wait(server);
    if let (Some(seen), Some(limit)) = (seen, limit) {
        let change = match app.tail.changed().after(server, seen) {
            // it was told already, and the store may not have it yet
            Some(change) => Some(change),
            None => {
                if !app.tail.changed().is_still(server, seen) {
                    let answer = app.deploys.told(server, at_least).await?;
                    if answer.value.iter().any(|told| told.fact > seen) {
                        return Ok(answered(server, answer));
                    }
                }
                tokio::select! {
                    change = task::timeout(limit, waiting.change()) => change,
                    // agents ask another process, and are not told that something is wrong
                    () = app.shutdown.begun() => None,
                }
            }
        };
        match change {
            None => return Ok(nothing_new(seen)),
            Some(0) => {}
            Some(change) => wait::unless_stopping(&app, app.state.wait(Position::fact(change), app.config.wait_max)).await?,
        }
    }
    Ok(answered(server, app.deploys.told(server, at_least).await?))
}

/// The server that a parameter names.
pub(super) async fn id_of(app: &App, parameter: &str, name: &str) -> Result<ServerId> {
    let bad = |invalid: loki_domain::Invalid| Problem::bad_parameter(parameter, invalid.to_string());
    match name.strip_prefix("id:") {
        // whether there is such a server makes no difference: it has no tasks
        Some(id) => id.parse().map_err(bad),
        None => {
            let server = ServerRef::Name(name.parse().map_err(bad)?);
            let found = app.state.server(&server, None).await?.value;
            Ok(found.ok_or_else(|| Problem::not_found(format!("no server `{name}`")))?.server.id)
        }
    }
}

/// The caller has all there is.
fn nothing_new(seen: u64) -> Response {
    let position = HeaderValue::try_from(Position::fact(seen).to_string()).unwrap_or(HeaderValue::from_static("-"));
    (StatusCode::NO_CONTENT, [(read::POSITION, position)]).into_response()
}

fn answered(server: ServerId, answer: Answer<Vec<Told>>) -> Response {
    let task = |told: Told| Task { document: told.document, signature: told.signature.to_string() };
    let body = Tasks { server: server.to_string(), items: answer.value.into_iter().map(task).collect() };
    read::at(read::last_fact(answer.stored.position), body)
}
