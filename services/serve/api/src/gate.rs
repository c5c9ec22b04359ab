//! What every request but the health ones passes first: the token, then a place among those in hand. One step for both, because each step
//! costs the fast answers some of their speed.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use loki_runtime::Secret;

use crate::auth;
use crate::limit::Requests;

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) token: Secret,
    pub(crate) requests: Requests,
}

pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if let Some(refused) = auth::refusal(&gate.token, &request) {
        return refused;
    }
    match gate.requests.take() {
        Ok(_place) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
