//! `/livez`, `/readyz` and `/metrics`, the same in every process.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::{Health, Metrics};

/// All three.
pub fn router(of_process: Health, of_metrics: Metrics) -> Router {
    health(of_process).merge(metrics(of_metrics))
}

/// `/livez`: the process answers. `/readyz`: every part is ready, or 503 with what is not and why.
pub fn health(health: Health) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route(
        "/readyz",
        get(move || async move {
            let report = health.report();
            let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, axum::Json(report))
        }),
    )
}

/// `/metrics`: Prometheus text.
pub fn metrics(metrics: Metrics) -> Router {
    Router::new().route(
        "/metrics",
        get(
            move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response() },
        ),
    )
}
