//! A bearer token, until identities exist: when one is set, every route but the health ones asks for it.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use loki_runtime::Secret;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

pub(crate) async fn require_token(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("Bearer "));
    if token.is_empty() || given.is_some_and(|given| same(given, token.expose())) {
        return next.run(request).await;
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "send `Authorization: Bearer <token>` with the token of `api.token`");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Compares digests, so that the time taken tells nothing about the token.
fn same(given: &str, token: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(token)
}
