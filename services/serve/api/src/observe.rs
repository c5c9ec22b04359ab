//! Counts and logs every request, under its route and not its path: labels stay bounded.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use loki_runtime::clock::Stopwatch;
use metrics::{Counter, Histogram};

use crate::metrics::{REQUESTS, SECONDS};
use crate::problem::Problem;

/// What is counted, kept by route and status: looking it up by its labels anew for each request costs more than the counting.
#[derive(Clone, Default)]
pub(crate) struct Observed(Arc<RwLock<HashMap<String, Route>>>);

#[derive(Clone)]
struct Route {
    seconds: Histogram,
    requests: Vec<(StatusCode, Counter)>,
}

impl Observed {
    /// Counts and logs an answer. A panic is one like others: the connection goes on, and whoever asked is told.
    pub(crate) async fn watch<F: Future<Output = Response>>(&self, request: Request, answer: impl FnOnce(Request) -> F) -> Response {
        let matched = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let watch = Stopwatch::start();
        let response = AssertUnwindSafe(answer(request)).catch_unwind().await.unwrap_or_else(|_| mistake());
        let (route, status) = (matched.as_ref().map_or("none", MatchedPath::as_str), response.status());
        self.note(route, status, watch.elapsed().as_secs_f64());
        if status.is_server_error() {
            tracing::warn!(%method, route, status = status.as_u16(), "request failed");
        } else {
            tracing::debug!(%method, route, status = status.as_u16(), "request");
        }
        response
    }

    fn note(&self, route: &str, status: StatusCode, seconds: f64) {
        if self.known(route, status, seconds) {
            return;
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let labelled = || Route { seconds: metrics::histogram!(SECONDS.name, "route" => route.to_owned()), requests: Vec::new() };
        let entry = routes.entry(route.to_owned()).or_insert_with(labelled);
        if entry.requests.iter().all(|(known, _)| *known != status) {
            let requests = metrics::counter!(REQUESTS.name, "route" => route.to_owned(), "status" => status.as_str().to_owned());
            entry.requests.push((status, requests));
        }
        drop(routes);
        self.known(route, status, seconds);
    }

    fn known(&self, route: &str, status: StatusCode, seconds: f64) -> bool {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(route) = routes.get(route) else { return false };
        let Some((_, requests)) = route.requests.iter().find(|(known, _)| *known == status) else { return false };
        requests.increment(1);
        route.seconds.record(seconds);
        true
    }
}

/// For routes that pass no gate.
pub(crate) async fn observe(State(observed): State<Observed>, request: Request, next: Next) -> Response {
    observed.watch(request, |request| next.run(request)).await
}

fn mistake() -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this is a mistake in Loki: see the log").into_response()
}
