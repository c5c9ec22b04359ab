//! `POST /v1/dead/{id}/replay`: puts a letter's original record into its topic again and takes the letter away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use loki_domain::Position;
use loki_log::{NewRecord, Partition, Topic};

use super::read;
use crate::App;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// Appends the original record once more. It is decided anew: its id was not taken.
#[utoipa::path(
    post, path = "/v1/dead/{id}/replay", tag = "dead letters", params(("id" = String, Path, description = "The letter's id, with `/` written `%2F`")),
    responses((status = 202, description = "Appended; `position` says where", body = serde_json::Value), (status = 404, description = "No such letter", body = Problem),
        (status = 409, description = "Its original cannot be put back from here: the reason", body = Problem), (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn replay_dead(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let letter = read::find(&app, &id).await?;
    let partition = Partition::new(Topic::new(&letter.topic), letter.partition);
    if partition.topic != app.commands {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "other_topic",
            format!("letters of `{}` cannot be replayed by this cell", letter.topic),
        ));
    }
    if let Some(bytes) = letter.omitted {
        let place = Position::command(letter.offset);
        let detail = format!("the original of {bytes} bytes was too large to be kept: it lies at {place} and would be refused again");
        return Err(Problem::new(StatusCode::CONFLICT, "not_kept", detail));
    }
    let record = NewRecord { key: letter.key.clone(), value: letter.value.clone(), headers: letter.headers.clone(), timestamp_ms: None };
    let offsets = app.log.append(&partition, vec![record]).await?;
    // after the append: a crash between the two leaves the letter, never loses the record
    read::remove(&app, &letter).await?;
    let position = offsets.first().map(|offset| Position::command(*offset).to_string());
    tracing::info!(dead.id = %id, command.position = position, "a dead letter was replayed");
    Ok((StatusCode::ACCEPTED, axum::Json(serde_json::json!({ "position": position }))).into_response())
}
