//! `GET /v1/tokens`: who may what, and where.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::Entity;
use loki_mysql::port::TokenView;
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
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// A token. Its secret is nowhere in Loki.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    /// As schema `fact.token.v1` says.
    #[schema(value_type = Object)]
    token: Box<RawValue>,
    /// Of the node that it covers; null: it covers everything, or its node is gone.
    path: Option<String>,
}

/// Tokens by name, in parts.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "deploys", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Token>),
        (status = 400, description = "A bad parameter", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_tokens(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let page = read::page(parameters.limit, parameters.cursor)?;
    let at_least = read::state_after(&app, parameters.after.as_deref(), &headers).await?;
    let answer = app.deploys.tokens(&page, at_least).await?;
    let items = answer.value.items.into_iter().map(token).collect();
    Ok(read::listed(read::last_fact(answer.stored.position), &uri, items, answer.value.next))
}

fn token(view: TokenView) -> Token {
    Token { token: entity::json(&Entity::Token(view.token)), path: view.path.map(|path| path.to_string()) }
}
