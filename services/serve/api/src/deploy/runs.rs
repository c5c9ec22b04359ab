//! `GET /v1/runs`: what was deployed, and is being deployed.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::Entity;
use loki_mysql::port::{RunFilter, RunView};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::entity;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Only runs on this node and under it, by path or id.
    node: Option<String>,
    /// Only this state: `awaiting_approval`, `running`, `paused`, `rolling_back`, `succeeded`, `failed`, `rolled_back` or `cancelled`.
    state: Option<String>,
    /// Only those that have not ended.
    unfinished: Option<bool>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A run and its node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    /// As schema `fact.run.v1` says.
    #[schema(value_type = Object)]
    pub(super) run: Box<RawValue>,
    /// Of its node; null: the node is gone.
    pub(super) path: Option<String>,
}

/// Runs, the newest first, in parts.
#[utoipa::path(
    get, path = "/v1/runs", tag = "deploys", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Run>), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such node", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_runs(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let filter = RunFilter {
        node: parameters.node.as_deref().map(|text| read::node("node", text)).transpose()?,
        state: parameters.state.map(|text| read::value("state", &text)).transpose()?,
        unfinished: parameters.unfinished.unwrap_or(false),
    };
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.runs(&filter, &page, at_least).await?;
    let part = answer.value.ok_or_else(|| Problem::not_found(format!("no node `{}`", parameters.node.unwrap_or_default())))?;
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, part.items.into_iter().map(run).collect(), part.next))
}

pub(super) fn run(view: RunView) -> Run {
    Run { run: entity::json(&Entity::Run(Box::new(view.run))), path: view.path.map(|path| path.to_string()) }
}
