//! `GET /v1/servers/{name}`: one server and its places in the tree.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use loki_domain::{Entity, ServerRef, Source};
use loki_redis::samples::SamplesReader;
use loki_runtime::task;
use loki_wire::envelope::write_time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::entity;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::read;

/// How long the answer waits for the live state, which adds one field to it.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A server with its mounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Server {
    /// As schema `fact.server.v1` says.
    #[schema(value_type = Object)]
    server: Box<RawValue>,
    mounts: Vec<Mount>,
    /// When the log took its last `host.*` sample; null: not within the last ten minutes, or it is not known now.
    heard_at: Option<String>,
}

/// A place of a server in the tree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mount {
    node: String,
    path: String,
    offline: bool,
    /// Parts per million; null: automatic.
    ratio: Option<u32>,
    /// The membership rule that mounted it; null: by hand.
    membership: Option<String>,
}

/// One server, by name or as `id:<id>`. A name means the server that is not retired, else the one that retired last.
#[utoipa::path(
    get, path = "/v1/servers/{name}", tag = "servers", params(Parameters, ("name" = String, Path, description = "The server's name, or `id:` and its id")),
    responses((status = 200, description = "The server", body = Server), (status = 404, description = "No such server", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_server(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response> {
    let server = match name.strip_prefix("id:") {
        Some(id) => id.parse().map(ServerRef::Id),
        None => name.parse().map(ServerRef::Name),
    }
    .map_err(|invalid| Problem::bad_parameter("name", invalid.to_string()))?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.state.server(&server, at_least).await?;
    let view = answer.value.ok_or_else(|| Problem::not_found(format!("no server `{name}`")))?;
    let mounts = view.mounts.into_iter().map(|view| Mount {
        node: view.mount.node.to_string(),
        path: view.path.to_string(),
        offline: view.mount.offline,
        ratio: view.mount.ratio.map(loki_domain::Ratio::ppm),
        membership: match view.mount.source {
            Source::Manual => None,
            Source::Membership(id) => Some(id.to_string()),
        },
    });
    // the rest is true whatever the live state says
    let heard = task::timeout(HEARD_WITHIN, app.live.presence(&[view.server.name.as_str()])).await.and_then(std::result::Result::ok);
    let heard = heard.and_then(|heard| heard.first().copied().flatten());
    let body = Server { heard_at: heard.map(write_time), mounts: mounts.collect(), server: entity::json(&Entity::Server(view.server)) };
    Ok(read::at(read::last_fact(answer.stored.position), body))
}
