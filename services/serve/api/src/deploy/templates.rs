//! `GET /v1/templates`: how a node's runs are carried out.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::Entity;
use loki_mysql::port::TemplateView;
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
    /// The node, by path or id.
    node: String,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A template and where it lies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Template {
    /// As schema `fact.template.v1` says.
    #[schema(value_type = Object)]
    template: Box<RawValue>,
    /// Of the node that it was made for: the asked one, or one above it.
    path: String,
}

/// The templates that hold for a node, by name: its own, and those it inherits. All at once.
#[utoipa::path(
    get, path = "/v1/templates", tag = "deploys", params(Parameters),
    responses((status = 200, description = "The templates", body = Listed<Template>), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such node", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_templates(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let node = read::node("node", &parameters.node)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.templates(&node, at_least).await?;
    let templates = answer.value.ok_or_else(|| Problem::not_found(format!("no node `{}`", parameters.node)))?;
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, templates.into_iter().map(template).collect(), None))
}

fn template(view: TemplateView) -> Template {
    Template { template: entity::json(&Entity::Template(Box::new(view.template))), path: view.path.to_string() }
}
