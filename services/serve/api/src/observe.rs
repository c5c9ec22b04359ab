//! Counts and logs every request, under its route and not its path: labels stay bounded.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use loki_runtime::clock::Stopwatch;

use crate::metrics::{REQUESTS, SECONDS};

pub(crate) async fn observe(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let route = matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    let status = response.status();
    metrics::counter!(REQUESTS.name, "route" => route.clone(), "status" => status.as_str().to_owned()).increment(1);
    metrics::histogram!(SECONDS.name, "route" => route.clone()).record(watch.elapsed().as_secs_f64());
    if status.is_server_error() {
        tracing::warn!(%method, route, status = status.as_u16(), "request failed");
    } else {
        tracing::debug!(%method, route, status = status.as_u16(), "request");
    }
    response
}
