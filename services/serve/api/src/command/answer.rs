//! What is answered about a command: its outcome, or that there is none yet.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use loki_domain::Position;
use serde::Serialize;
use utoipa::ToSchema;

/// A command that is in the log, whose outcome is not known yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    pub(crate) id: String,
    /// `pending`.
    pub(crate) outcome: &'static str,
    /// The command's position, `c17`.
    pub(crate) position: String,
}

/// 202 with the command's position, and where to ask for its outcome.
pub(crate) fn pending(id: &str, command: u64) -> Response {
    let position = Position::command(command).to_string();
    let location = format!("/v1/commands/{position}");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(Pending { id: id.to_owned(), outcome: "pending", position }))
        .into_response()
}

/// The outcome as it was written.
pub(crate) fn outcome(json: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// The first answer to a repeated command: that outcome, with the place of the repetition.
pub(crate) fn repeated(first: &[u8], duplicate_of: u64) -> Option<Bytes> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(first).ok()?;
    object.insert("duplicate_of".to_owned(), Position::command(duplicate_of).to_string().into());
    serde_json::to_vec(&object).ok().map(Bytes::from)
}
