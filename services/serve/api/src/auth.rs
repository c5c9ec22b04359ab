//! A bearer token, until identities exist: when one is set, every route but the health ones asks for it.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_runtime::Secret;
use sha2::{Digest, Sha256};

use crate::console;
use crate::problem::Problem;

/// The answer to a request that may not come in: a form that asks for the token where a browser opens the page, else a problem.
pub(crate) fn refusal(token: &Secret, request: &Request) -> Option<Response> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    if token.is_empty() || given.is_some_and(|given| same(given, token.expose())) {
        return None;
    }
    let mut response = if console::is_opened_by(request) {
        console::sign_in()
    } else {
        let fix = "send `Authorization: Bearer <token>` with the token of `api.token`";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", fix).into_response()
    };
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
