//! What every request but the health ones passes first: the token, whose page sends it, then a place among those in hand. One step for all of it,
//! because each step costs the fast answers some of their speed.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use loki_runtime::Secret;

use crate::auth;
use crate::limit::Requests;
use crate::origin;

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) token: Secret,
    /// Requests that name another host are refused.
    pub(crate) for_this_machine: bool,
    pub(crate) requests: Requests,
}

pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if let Some(refused) = auth::refusal(&gate.token, &request) {
        return refused;
    }
    let foreign = if gate.for_this_machine { origin::foreign_host(request.headers()) } else { None };
    if let Some(problem) = foreign.or_else(|| origin::cross_site(&request)) {
        return problem.into_response();
    }
    match gate.requests.take() {
        Ok(_place) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
