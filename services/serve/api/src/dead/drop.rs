//! `DELETE /v1/dead/{id}`: takes a letter away that nobody will replay. Its original stays where it came from, as long as that topic keeps it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::read;
use crate::App;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// The letter that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dropped {
    id: String,
}

/// Takes a letter away for good, without putting its original back.
#[utoipa::path(
    delete, path = "/v1/dead/{id}", tag = "dead letters", params(("id" = String, Path, description = "The letter's id, with `/` written `%2F`")),
    responses((status = 200, description = "It is gone", body = Dropped), (status = 404, description = "No such letter", body = Problem),
        (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn drop_dead(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let letter = read::find(&app, &id).await?;
    read::remove(&app, &letter).await?;
    tracing::info!(dead.id = %id, dead.code = %letter.reason.code, dead.bytes = letter.bytes(), "a dead letter was dropped");
    Ok(Json(Dropped { id }).into_response())
}
