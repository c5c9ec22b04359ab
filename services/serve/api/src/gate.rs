//! What every request but the health ones passes first: the token, whose page sends it, then a place among those in hand. One step for all of it,
//! counting and logging included, because each step costs the fast answers some of their speed.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::auth::{Doors, Seen};
use crate::limit::Requests;
use crate::observe::Observed;
use crate::origin;

pub(crate) struct Gate {
    pub(crate) doors: Doors,
    /// Requests that name another host are refused.
    pub(crate) for_this_machine: bool,
    pub(crate) requests: Requests,
    pub(crate) body_max: usize,
    pub(crate) observed: Observed,
}

pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.observed.watch(request, |request| gate.admit(request, next)).await
}

impl Gate {
    async fn admit(&self, mut request: Request, next: Next) -> Response {
        match self.doors.look(&request) {
            Seen::Welcome => {}
            Seen::Named(secret) => match self.doors.named(secret).await {
                Ok(signer) => drop(request.extensions_mut().insert(signer)),
                Err(refused) => return refused,
            },
            Seen::Refused(refused) => return refused,
        }
        let foreign = if self.for_this_machine { origin::foreign_host(request.headers()) } else { None };
        if let Some(problem) = foreign.or_else(|| origin::cross_site(&request)) {
            return problem.into_response();
        }
        if !request.method().is_safe() {
            DefaultBodyLimit::max(self.body_max).apply(&mut request);
        }
        match self.requests.take(&request) {
            Ok(_place) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    }
}
