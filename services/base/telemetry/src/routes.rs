//! `/livez`, `/readyz` and `/metrics`, the same in every process.

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::{Health, Metrics};

/// All three.
pub fn router(of_process: Health, of_metrics: Metrics) -> Router {
    health(of_process).merge(metrics(of_metrics))
}

/// `/livez`: the process answers. `/readyz`: every part is ready, or 503 with what is not and why; with `only=a,b` the same of these parts.
pub fn health(health: Health) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route(
        "/readyz",
        get(move |uri: Uri| async move {
            let report = match only(&uri) {
                Some(names) => health.report_of(names.split(',')),
                None => health.report(),
            };
            let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, axum::Json(report))
        }),
    )
}

fn only(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("only="))
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
