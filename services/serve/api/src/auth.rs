//! A bearer token, until identities exist: when one is set, every route but the health ones asks for it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_runtime::Secret;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// The answer to a request that may not come in.
pub(crate) fn refusal(token: &Secret, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    if token.is_empty() || given.is_some_and(|given| same(given, token.expose())) {
        return None;
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "send `Authorization: Bearer <token>` with the token of `api.token`");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(response)
}

/// The token after the scheme, whose case does not matter (RFC 9110, section 11.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Compares digests, so that the time taken tells nothing about the token.
fn same(given: &str, token: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(token)
}
