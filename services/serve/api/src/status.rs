//! `GET /v1/status`: how far every projection is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use loki_domain::{Position, Stream};
use loki_log::{Partition, Topic};
use loki_mysql::port::ReadError;
use loki_runner::Stored;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::problem::Result;

/// What the platform says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// The commands' end: the next position.
    commands: String,
    /// Commands that have no outcome yet, as far as this process has seen.
    undecided: u64,
    projections: Vec<Projection>,
}

/// How far a projection is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Projection {
    name: &'static str,
    /// The log that it was filled from.
    log: Option<String>,
    /// The next position that it applies.
    position: Option<String>,
    /// The end of its topic.
    end: String,
    /// Offsets between the two, transaction markers included.
    lag: Option<u64>,
    /// `live`, `building`, `empty` or `unknown`.
    state: &'static str,
    /// Why it cannot be read, or what its projector said last.
    last_error: Option<String>,
}

/// How far every projection is, and how many commands wait for their outcome.
#[utoipa::path(
    get, path = "/v1/status", tag = "operation",
    responses((status = 200, description = "The state of this cell", body = Status), (status = 503, description = "The log is away", body = crate::problem::Problem))
)]
pub(crate) async fn get_status(State(app): State<App>) -> Result<Response> {
    let commands = app.log.bounds(&Partition::only(&app.commands)).await?.end;
    let projections = vec![
        projection(&app, "mysql", &app.facts, Stream::Fact, app.state.stored().await).await?,
        projection(&app, "history", &app.outcomes, Stream::Outcome, app.history.stored().await).await?,
        projection(&app, "zookeeper", &app.facts, Stream::Fact, app.tree.stored().await.map_err(|error| ReadError::Away(error.0))).await?,
    ];
    let undecided = commands.saturating_sub(app.tail.decided());
    Ok(Json(Status { commands: Position::command(commands).to_string(), undecided, projections }).into_response())
}

async fn projection(
    app: &App,
    name: &'static str,
    topic: &Topic,
    stream: Stream,
    stored: std::result::Result<Option<Stored>, ReadError>,
) -> Result<Projection> {
    let end = app.log.bounds(&Partition::only(topic)).await?.end;
    let (stored, mut last_error) = match stored {
        Ok(stored) => (Some(stored), None),
        Err(error) => (None, Some(error.to_string())),
    };
    if last_error.is_none() {
        last_error = app.health.report().components.get(name).filter(|said| *said != "ready").cloned();
    }
    let known = stored.flatten();
    Ok(Projection {
        name,
        log: known.map(|stored| stored.log.to_string()),
        position: known.map(|stored| Position { stream, offset: stored.position }.to_string()),
        end: Position { stream, offset: end }.to_string(),
        lag: known.map(|stored| end.saturating_sub(stored.position)),
        state: match stored {
            Some(Some(stored)) => stored.state.as_str(),
            Some(None) => "empty",
            None => "unknown",
        },
        last_error,
    })
}
