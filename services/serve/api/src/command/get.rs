//! `GET /v1/commands/{id}`: the outcome of one command, by its id or its position.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use loki_domain::{Position, Stream};
use loki_log::Partition;
use loki_wire::Verdict;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{answer, undecided};
use crate::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, Result};
use crate::tail::Placed;
use crate::wait;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How long to wait for the outcome, `10s`; at most an hour, and never longer than `api.wait_max`.
    wait: Option<String>,
    /// Whose id it is; without it the newest command with this id is meant.
    actor: Option<String>,
}

/// The outcome of a command.
///
/// By position (`c17`) or by id. 202 while there is none yet. A repeated command is answered with the first outcome and `duplicate_of`.
#[utoipa::path(
    get, path = "/v1/commands/{id}", tag = "commands",
    params(Parameters, ("id" = String, Path, description = "The command's id, or its position `c17`")),
    responses(
        (status = 200, description = "The outcome, as schema `outcome.command.v1` says", body = serde_json::Value),
        (status = 202, description = "No outcome yet", body = answer::Pending),
        (status = 404, description = "No such command", body = Problem),
        (status = 503, description = "Not ready", body = Problem),
    )
)]
pub(crate) async fn get_command(State(app): State<App>, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Result<Response> {
    let limit = parameters.wait.as_deref().map(|text| wait::duration("wait", text, app.config.wait_max)).transpose()?;
    match id.parse::<Position>() {
        Ok(position) if position.stream == Stream::Command => by_position(&app, position.offset, limit.unwrap_or_default()).await,
        _ => by_id(&app, &id, parameters.actor.as_deref(), limit.unwrap_or_default()).await,
    }
}

/// Waits for the outcome of a command that is in the log; 202 when it does not come in time.
pub(super) async fn outcome(app: &App, id: &str, command: u64, limit: Duration) -> Result<Response> {
    let waited = tokio::select! {
        biased;
        found = app.tail.wait_for(command, limit) => found,
        // the decider may have stopped already: the caller asks again, by the position
        () = app.shutdown.begun() => None,
    };
    // it may have come just after the wait ended. Another's outcome is of a log that was made anew, which the tail is about to notice;
    // `@` begins ids that the decider gave
    let of_this = |placed: &Arc<Placed>| id.is_empty() || placed.outcome.id == id || placed.outcome.id.starts_with('@');
    match waited.or_else(|| app.tail.command(command)) {
        Some(placed) if !of_this(&placed) => Ok(answer::pending(id, command)),
        Some(placed) => placed_answer(app, placed).await,
        // decided, but so long ago that the tail has forgotten it
        None if app.tail.has_decided(command) => {
            stored(app, command).await?.ok_or_else(|| Problem::not_ready("the outcome is not in the history yet"))
        }
        None => Ok(answer::pending(id, command)),
    }
}

async fn by_position(app: &App, command: u64, limit: Duration) -> Result<Response> {
    if let Some(placed) = app.tail.command(command) {
        return placed_answer(app, placed).await;
    }
    if app.tail.has_decided(command) {
        return stored(app, command).await?.ok_or_else(|| Problem::not_found(format!("no command at c{command}")));
    }
    not_before_read(app)?;
    let bounds = app.log.bounds(&Partition::only(&app.commands)).await?;
    if command >= bounds.end {
        return Err(Problem::not_found(format!("no command at c{command}: the newest is before c{}", bounds.end)));
    }
    outcome(app, &undecided::id(app, command).await?, command, limit).await
}

/// Before the outcomes' end was reached once, nothing can be said to have no outcome.
fn not_before_read(app: &App) -> Result<()> {
    if app.tail.has_reached_end() { Ok(()) } else { Err(Problem::not_ready("the outcomes are still being read")) }
}

async fn by_id(app: &App, id: &str, actor: Option<&str>, limit: Duration) -> Result<Response> {
    if let Some(placed) = app.tail.id(id).filter(|placed| actor.is_none_or(|actor| placed.outcome.actor == actor)) {
        return placed_answer(app, placed).await;
    }
    not_before_read(app)?;
    // taken before the log is searched: what is decided meanwhile is found there, and the rest in the history up to here
    let decided = app.tail.decided();
    if let Some(command) = undecided::position(app, id, actor, decided).await? {
        return outcome(app, id, command, limit).await;
    }
    if let Some(answer) = stored_by_id(app, id, actor).await? {
        return Ok(answer);
    }
    if let Some(last) = decided.checked_sub(1) {
        wait::unless_stopping(app, app.history.wait(Position::command(last), app.config.wait_max)).await?;
    }
    let none = || Problem::not_found(format!("no command with the id `{}`", id.escape_default()));
    stored_by_id(app, id, actor).await?.ok_or_else(none)
}

async fn stored_by_id(app: &App, id: &str, actor: Option<&str>) -> Result<Option<Response>> {
    let found = app.history.outcomes_by_id(id, actor, None).await?.value;
    let Some(newest) = found.into_iter().next() else {
        return Ok(None);
    };
    match newest.entry.duplicate_of {
        Some(first) => repeated(app, first).await.map(Some),
        None => Ok(Some(answer::outcome(Bytes::from(newest.json)))),
    }
}

async fn placed_answer(app: &App, placed: Arc<Placed>) -> Result<Response> {
    match placed.outcome.verdict {
        Verdict::Duplicate { of, .. } => repeated(app, of).await,
        _ => Ok(answer::outcome(placed.json.clone())),
    }
}

/// The first outcome, which a repeated command is answered with.
async fn repeated(app: &App, first: u64) -> Result<Response> {
    let json = match app.tail.command(first) {
        Some(placed) => placed.json.clone(),
        None => {
            wait::unless_stopping(app, app.history.wait(Position::command(first), app.config.wait_max)).await?;
            let stored = app.history.outcome(first, None).await?.value;
            Bytes::from(stored.ok_or_else(|| Problem::not_ready(format!("the first outcome, of c{first}, is not in the history")))?.json)
        }
    };
    answer::repeated(&json, first).map(answer::outcome).ok_or_else(|| Problem::not_ready("the first outcome cannot be read"))
}

async fn stored(app: &App, command: u64) -> Result<Option<Response>> {
    wait::unless_stopping(app, app.history.wait(Position::command(command), app.config.wait_max)).await?;
    let Some(found) = app.history.outcome(command, None).await?.value else {
        return Ok(None);
    };
    match found.entry.duplicate_of {
        Some(first) => repeated(app, first).await.map(Some),
        None => Ok(Some(answer::outcome(Bytes::from(found.json)))),
    }
}
