//! What goes wrong, in OpenTSDB's shape: `{"error":{"code":…,"message":…,"details":…}}`.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// An answer as the intake words it.
pub(super) fn answer(answer: loki_intake::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer.body {
        Some(body) => (status, Json(body)).into_response(),
        None => status.into_response(),
    }
}

pub(super) fn error(status: StatusCode, message: &str, details: Option<&str>) -> Response {
    answer(loki_intake::put::error(status.as_u16(), message, details))
}

/// The log or the store is away: the same request may succeed later.
pub(super) fn away(why: &str) -> Response {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, why, None);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What the rest of the API would say.
pub(super) fn problem(problem: &Problem) -> Response {
    error(StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST), problem.detail(), None)
}

pub(super) async fn method(method: Method) -> Response {
    let details = format!("The HTTP method [{method}] is not permitted for this endpoint");
    error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", Some(&details))
}
