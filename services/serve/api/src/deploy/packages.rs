//! `GET /v1/packages` and `GET /v1/packages/{name}/{version}`: what can be deployed.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::{Entity, Position};
use loki_mysql::port::{Answer, PackageView};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use crate::App;
use crate::entity;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::read;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Only versions of this package.
    name: Option<String>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// Versions of packages by name and version, in parts. Each is as schema `fact.package.v1` says.
#[utoipa::path(
    get, path = "/v1/packages", tag = "deploys", params(Parameters),
    responses((status = 200, description = "A part of the list", body = serde_json::Value),
        (status = 400, description = "A bad parameter", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_packages(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let name = parameters.name.map(|name| read::value("name", &name)).transpose()?;
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.packages(name.as_ref(), &page, at_least).await?;
    let items: Vec<_> = answer.value.items.into_iter().map(package).collect();
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, items, answer.value.next))
}

/// One version of a package, as schema `fact.package.v1` says.
#[utoipa::path(
    get, path = "/v1/packages/{name}/{version}", tag = "deploys",
    params(Moment, ("name" = String, Path, description = "The package's name"), ("version" = String, Path, description = "Its version")),
    responses((status = 200, description = "The package", body = serde_json::Value), (status = 404, description = "No such version", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_package(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(parameters): Query<Moment>,
    headers: HeaderMap,
) -> Result<Response> {
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let Answer { value, stored } = find(&app, &name, &version, at_least).await?;
    Ok(read::at(read::last_fact(stored.position), package(value)))
}

/// A version that is there.
pub(crate) async fn find(app: &App, name: &str, version: &str, at_least: Option<Position>) -> Result<Answer<PackageView>> {
    let (named, of_version) = (read::value("name", name)?, read::value("version", version)?);
    let Answer { value, stored } = app.deploys.package(&named, &of_version, at_least).await?;
    let value = value.ok_or_else(|| Problem::not_found(format!("no version `{version}` of a package `{name}`")))?;
    Ok(Answer { value, stored })
}

fn package(view: PackageView) -> Box<RawValue> {
    entity::json(&Entity::Package(Box::new(view.package)))
}
