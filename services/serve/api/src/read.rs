//! What all reads have in common: waiting for `after`, errors of stores, positions in headers, pages.

use std::str::FromStr;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use loki_domain::{Invalid, NodeRef, Position, Stream};
use loki_mysql::port::{Page, ReadError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::problem::{Problem, Result};
use crate::wait;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the next part, also in the header `Link`; null: this was the last.
    pub(crate) next: Option<String>,
}

/// Which position the answer is true at.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("loki-position");

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Invalid { field, .. } => Problem::bad_parameter(field, error.to_string()),
            ReadError::NotReady(_) | ReadError::Away(_) => Problem::not_ready(error.to_string()),
            ReadError::Unusable(_) => {
                tracing::error!(%error, "the store cannot be used");
                Problem::not_ready(error.to_string())
            }
        }
    }
}

/// Waits until the state has passed `after` (parameter or header), if it is given.
pub(crate) async fn state_after(app: &App, parameter: Option<&str>, headers: &HeaderMap) -> Result<Option<Position>> {
    let Some(offset) = wait::after(parameter, headers, Stream::Fact)? else {
        return Ok(None);
    };
    let position = Position::fact(offset);
    wait::unless_stopping(app, app.state.wait(position, app.config.wait_max)).await?;
    Ok(Some(position))
}

/// Waits until the domains have passed `after`, if it is given.
pub(crate) async fn domains_after(app: &App, parameter: Option<&str>, headers: &HeaderMap) -> Result<Option<Position>> {
    let Some(offset) = wait::after(parameter, headers, Stream::Fact)? else {
        return Ok(None);
    };
    let position = Position::fact(offset);
    wait::unless_stopping(app, app.domains.wait(position, app.config.wait_max)).await?;
    Ok(Some(position))
}

/// Waits until the history has passed `after`, if it is given.
pub(crate) async fn history_after(app: &App, parameter: Option<&str>, headers: &HeaderMap) -> Result<Option<Position>> {
    let Some(offset) = wait::after(parameter, headers, Stream::Command)? else {
        return Ok(None);
    };
    let position = Position::command(offset);
    wait::unless_stopping(app, app.history.wait(position, app.config.wait_max)).await?;
    Ok(Some(position))
}

/// JSON with the position that it is true at.
pub(crate) fn at(position: Position, body: impl Serialize) -> Response {
    ([(POSITION, HeaderValue::try_from(position.to_string()).unwrap_or(HeaderValue::from_static("-")))], Json(body)).into_response()
}

/// A part of a list: the items, and the cursor of the next part, in the body and as a link.
pub(crate) fn listed<T: Serialize>(position: Position, asked: &Uri, items: Vec<T>, next: Option<String>) -> Response {
    let link = next.as_deref().and_then(|next| link(asked, next));
    let mut response = at(position, Listed { items, next });
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// The same question with the cursor of the next part: whoever follows it keeps the filters.
pub(crate) fn link(asked: &Uri, next: &str) -> Option<HeaderValue> {
    let pairs = asked.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let mut query: String = pairs.flat_map(|pair| [pair, "&"]).collect();
    query.push_str("cursor=");
    for byte in next.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => query.push(char::from(byte)),
            _ => query.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", asked.path())).ok()
}

/// Which part of a list is asked for.
pub(crate) fn page(limit: Option<usize>, cursor: Option<String>) -> Result<Page> {
    let limit = limit.unwrap_or(100);
    if !(1..=Page::LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_parameter("limit", format!("`limit` must be 1 to {}", Page::LIMIT_MAX)));
    }
    Ok(Page { cursor, limit })
}

/// The value of a parameter.
pub(crate) fn value<T: FromStr<Err = Invalid>>(field: &str, text: &str) -> Result<T> {
    text.parse().map_err(|invalid| Problem::bad_parameter(field, format!("`{field}`: {invalid}")))
}

/// A node by path or id.
pub(crate) fn node(field: &str, text: &str) -> Result<NodeRef> {
    if text.starts_with('/') { value(field, text).map(NodeRef::Path) } else { value(field, text).map(NodeRef::Id) }
}

/// The next offset of a store as the position of the last record in it.
pub(crate) fn last_fact(next: u64) -> Position {
    Position::fact(next.saturating_sub(1))
}

/// The same for outcomes.
pub(crate) fn last_outcome(next: u64) -> Position {
    Position::outcome(next.saturating_sub(1))
}

/// 304: the caller has this already.
pub(crate) fn not_modified(etag: HeaderValue, position: Position) -> Response {
    (
        StatusCode::NOT_MODIFIED,
        [(header::ETAG, etag), (POSITION, HeaderValue::try_from(position.to_string()).unwrap_or(HeaderValue::from_static("-")))],
    )
        .into_response()
}

impl From<loki_zookeeper::NotReady> for Problem {
    fn from(error: loki_zookeeper::NotReady) -> Self {
        Problem::not_ready(error.to_string())
    }
}

impl From<loki_zookeeper::Refusal> for Problem {
    fn from(error: loki_zookeeper::Refusal) -> Self {
        match error {
            loki_zookeeper::Refusal::NotReady(error) => error.into(),
            loki_zookeeper::Refusal::Invalid(_) => Problem::bad_parameter("node", error.to_string()),
            loki_zookeeper::Refusal::TooLarge { .. } => {
                Problem::new(StatusCode::BAD_REQUEST, "too_many_nodes", error.to_string()).field("depth")
            }
        }
    }
}

impl From<loki_redis::facts::NotReady> for Problem {
    fn from(error: loki_redis::facts::NotReady) -> Self {
        Problem::not_ready(error.to_string())
    }
}

impl From<loki_redis::facts::Refusal> for Problem {
    fn from(error: loki_redis::facts::Refusal) -> Self {
        match &error {
            loki_redis::facts::Refusal::NotReady(_) => Problem::not_ready(error.to_string()),
            loki_redis::facts::Refusal::Invalid(_) | loki_redis::facts::Refusal::TooLarge => {
                Problem::bad_parameter("node", error.to_string())
            }
        }
    }
}
