//! `GET /v1/runs/{run}` and what belongs to it: how far it is, its batches, and its servers.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::{Entity, RunId, TaskState};
use loki_mysql::port::TaskView;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::runs::{self, Run};
use crate::App;
use crate::entity;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskParameters {
    /// Only servers in these states, separated by commas: `pending`, `running`, `succeeded`, `failed` or `unknown`.
    state: Option<String>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A run with what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detail {
    #[serde(flatten)]
    run: Run,
    /// What it deploys, as schema `fact.package.v1` says; null for a script.
    #[schema(value_type = Option<Object>)]
    package: Option<Box<RawValue>>,
    /// What was there before; null: nothing, or a script.
    #[schema(value_type = Option<Object>)]
    from: Option<Box<RawValue>>,
    /// Of the servers that were told: how many are `pending`, `running`, `succeeded`, `failed`, `unknown`.
    tasks: BTreeMap<&'static str, u64>,
    /// The same of the batch that it is at.
    batch: BTreeMap<&'static str, u64>,
}

/// A server of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// As schema `fact.task.v1` says.
    #[schema(value_type = Object)]
    task: Box<RawValue>,
    /// The server's name; null: there is no such server any more.
    name: Option<String>,
}

/// One run.
#[utoipa::path(
    get, path = "/v1/runs/{run}", tag = "deploys", params(Moment, ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The run", body = Detail), (status = 404, description = "No such run", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_run(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(parameters): Query<Moment>,
    headers: HeaderMap,
) -> Result<Response> {
    let id = read_id(&run)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.run(id, at_least).await?;
    let detail = answer.value.ok_or_else(|| no_run(&run))?;
    let package = |package: loki_domain::Package| entity::json(&Entity::Package(Box::new(package)));
    let body = Detail {
        tasks: counts(&detail.tasks),
        batch: counts(&detail.batch),
        run: runs::run(detail.view),
        package: detail.package.map(package),
        from: detail.from.map(package),
    };
    Ok(read::at(read::last_fact(answer.stored.position), body))
}

/// The batches of a run as they follow each other, in parts. Each is as schema `fact.batch.v1` says.
#[utoipa::path(
    get, path = "/v1/runs/{run}/batches", tag = "deploys", params(Parameters, ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "A part of the list", body = serde_json::Value), (status = 404, description = "No such run", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_batches(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let id = read_id(&run)?;
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.batches(id, &page, at_least).await?;
    let part = answer.value.ok_or_else(|| no_run(&run))?;
    let items: Vec<_> = part.items.into_iter().map(|batch| entity::json(&Entity::Batch(batch))).collect();
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, items, part.next))
}

/// The servers of a run that were told so far, in parts.
#[utoipa::path(
    get, path = "/v1/runs/{run}/tasks", tag = "deploys", params(TaskParameters, ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "A part of the list", body = Listed<Task>), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such run", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_tasks(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(parameters): Query<TaskParameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let id = read_id(&run)?;
    let states =
        parameters.state.iter().flat_map(|text| text.split(',')).map(|text| read::value("state", text)).collect::<Result<Vec<_>>>()?;
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.tasks(id, &states, &page, at_least).await?;
    let part = answer.value.ok_or_else(|| no_run(&run))?;
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, part.items.into_iter().map(task).collect(), part.next))
}

/// Of every state, also where there are none.
fn counts(of: &BTreeMap<TaskState, u64>) -> BTreeMap<&'static str, u64> {
    TaskState::ALL.into_iter().map(|state| (state.as_str(), of.get(&state).copied().unwrap_or(0))).collect()
}

fn task(view: TaskView) -> Task {
    Task { task: entity::json(&Entity::Task(view.task)), name: view.name.map(|name| name.to_string()) }
}

pub(crate) fn read_id(run: &str) -> Result<RunId> {
    read::value("run", run)
}

fn no_run(run: &str) -> Problem {
    Problem::not_found(format!("no run `{run}`"))
}
