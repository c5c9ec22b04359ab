//! OpenTSDB's HTTP API under `/api/`: collectors and Grafana speak it unchanged. Errors have its shape here, not that of `/v1/`.

mod ask;
mod put;
mod wrong;

use axum::Router;
use axum::routing::{any, post};

use crate::App;

/// Its routes. They are described by OpenTSDB's own documents and not by `/openapi.json`.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/api/put", post(put::put_points).fallback(wrong::method)).route("/api/{*path}", any(ask::ask_store))
}
