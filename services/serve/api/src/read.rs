//! What all reads have in common: waiting for `after`, errors of stores, positions in headers, pages.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_domain::{Position, Stream};
use loki_mysql::port::{Page, ReadError};
use serde::Serialize;

use crate::App;
use crate::problem::{Problem, Result};
use crate::wait;

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
    app.state.wait(position, app.config.wait_max).await?;
    Ok(Some(position))
}

/// Waits until the history has passed `after`, if it is given.
pub(crate) async fn history_after(app: &App, parameter: Option<&str>, headers: &HeaderMap) -> Result<Option<Position>> {
    let Some(offset) = wait::after(parameter, headers, Stream::Command)? else {
        return Ok(None);
    };
    let position = Position::command(offset);
    app.history.wait(position, app.config.wait_max).await?;
    Ok(Some(position))
}

/// JSON with the position that it is true at.
pub(crate) fn at(position: Position, body: impl Serialize) -> Response {
    ([(POSITION, HeaderValue::try_from(position.to_string()).unwrap_or(HeaderValue::from_static("-")))], Json(body)).into_response()
}

/// A part of a list: the items, and the cursor of the next part, in the body and as a link.
pub(crate) fn listed(position: Position, path: &str, items: impl Serialize, next: Option<String>) -> Response {
    #[derive(Serialize)]
    struct Body<T> {
        items: T,
        next: Option<String>,
    }
    let link = next.as_ref().and_then(|next| HeaderValue::try_from(format!("<{path}?cursor={next}>; rel=\"next\"")).ok());
    let mut response = at(position, Body { items, next });
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Which part of a list is asked for.
pub(crate) fn page(limit: Option<usize>, cursor: Option<String>) -> Result<Page> {
    let limit = limit.unwrap_or(100);
    if !(1..=Page::LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_parameter("limit", format!("`limit` must be 1 to {}", Page::LIMIT_MAX)));
    }
    Ok(Page { cursor, limit })
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
        }
    }
}
