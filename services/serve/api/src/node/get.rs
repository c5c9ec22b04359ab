//! `GET /v1/nodes/{id}`: one node, with what it inherits and from where.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use loki_domain::{Entity, NodeRef, Text};
use loki_mysql::port::Inherited;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::entity;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::read;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A node with what holds for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Node {
    /// As schema `fact.node.v1` says: what is set on the node itself.
    #[schema(value_type = Object)]
    node: Box<RawValue>,
    path: String,
    /// Null when neither it nor an ancestor names any.
    #[schema(value_type = Option<Object>)]
    contacts: Option<From<Vec<String>>>,
    #[schema(value_type = Object)]
    defaults: BTreeMap<String, From<String>>,
    /// The membership rules of the node, as schema `fact.membership.v1` says.
    #[schema(value_type = Vec<Object>)]
    memberships: Vec<Box<RawValue>>,
}

/// A value and the node that sets it.
#[derive(Debug, Serialize)]
pub(crate) struct From<T> {
    value: T,
    from: String,
    from_path: String,
}

/// One node, by id, or by path with `/` written `%2F`; with its contacts and defaults, inherited ones too, each with the node it comes from.
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = "tree", params(Parameters, ("id" = String, Path, description = "The node's id, or its path with `/` written `%2F`")),
    responses((status = 200, description = "The node", body = Node), (status = 404, description = "No such node", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_node(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response> {
    let reference = if id.starts_with('/') { id.parse().map(NodeRef::Path) } else { id.parse().map(NodeRef::Id) };
    let reference = reference.map_err(|invalid| Problem::bad_parameter("id", invalid.to_string()))?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.state.node(&reference, at_least).await?;
    let view = answer.value.ok_or_else(|| Problem::not_found(format!("no node `{id}`")))?;
    let body = Node {
        path: view.path.to_string(),
        contacts: view.contacts.map(|contacts| from(contacts, |texts| texts.iter().map(Text::to_string).collect())),
        defaults: view.defaults.into_iter().map(|(key, value)| (key, from(value, |text| text.to_string()))).collect(),
        memberships: view.memberships.into_iter().map(|membership| entity::json(&Entity::Membership(membership))).collect(),
        node: entity::json(&Entity::Node(view.node)),
    };
    Ok(read::at(read::last_fact(answer.stored.position), body))
}

fn from<T, U>(inherited: Inherited<T>, write: impl FnOnce(&T) -> U) -> From<U> {
    From { value: write(&inherited.value), from: inherited.from.to_string(), from_path: inherited.from_path.to_string() }
}
