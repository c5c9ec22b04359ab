//! `GET /v1/status`: how far every projection is, as its store says, and what keeps it from getting on, as its projector says beside its group's
//! offset: it may be a process of its own.

mod samples;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
use loki_domain::{Position, Stream};
use loki_log::{Partition, Topic};
use loki_mysql::port::ReadError;
use loki_runner::{Stored, Told};
use loki_runtime::task;
use loki_wire::envelope::write_time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::command::undecided;
use crate::problem::Result;

/// How long may be asked what a projector says: the rest of the status does not wait for it.
const SAID_WITHIN: Duration = Duration::from_secs(2);

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
    /// The next position that it applies; of samples (`s`) the sum over all partitions.
    position: Option<String>,
    /// The end of its topic, likewise.
    end: String,
    /// Offsets between the two, transaction markers included.
    lag: Option<u64>,
    /// `live`, `building`, `empty` or `unknown`.
    state: &'static str,
    /// Why it cannot be read, or why its projector does not get on, in whatever process that is; absent while all is well.
    last_error: Option<String>,
    /// Since when its projector does not get on.
    last_error_since: Option<String>,
}

/// How far every projection is, and how many commands wait for their outcome.
#[utoipa::path(
    get, path = "/v1/status", tag = "operation",
    responses((status = 200, description = "The state of this cell", body = Status), (status = 503, description = "The log is away", body = crate::problem::Problem))
)]
pub(crate) async fn get_status(State(app): State<App>) -> Result<Response> {
    let commands = app.log.bounds(&Partition::only(&app.commands)).await?.end;
    // before the ends of facts and outcomes are asked for: where none is undecided and no projection lags, everything is applied
    let undecided = undecided::count(&app).await?;
    let tree = async { app.tree.stored().await.map_err(|error| ReadError::Away(error.0)) };
    let (mysql, history, task_logs, cdn_system, zookeeper) = futures::try_join!(
        projection(&app, "mysql", &app.facts, Stream::Fact, app.state.stored()),
        projection(&app, "history", &app.outcomes, Stream::Outcome, app.history.stored()),
        projection(&app, "task_logs", &app.task_log_topic, Stream::TaskLog, app.task_logs.stored()),
        projection(&app, "cdn_system", &app.facts, Stream::Fact, app.domains.stored()),
        projection(&app, "zookeeper", &app.facts, Stream::Fact, tree),
    )?;
    let mut projections = vec![mysql, history, task_logs, cdn_system, zookeeper];
    if let Some(servers) = &app.servers {
        let stored = async { servers.stored().await.map_err(|error| ReadError::Away(error.0)) };
        projections.push(projection(&app, "redis", &app.facts, Stream::Fact, stored).await?);
    }
    projections.extend(samples::projections(&app).await?);
    Ok(Json(Status { commands: Position::command(commands).to_string(), undecided, projections }).into_response())
}

async fn projection(
    app: &App,
    name: &'static str,
    topic: &Topic,
    stream: Stream,
    stored: impl Future<Output = std::result::Result<Option<Stored>, ReadError>>,
) -> Result<Projection> {
    let partition = Partition::only(topic);
    let end = app.log.bounds(&partition).await?.end;
    let (stored, said) = futures::join!(stored, said(app, name, std::slice::from_ref(&partition)));
    let (stored, unread) = match stored {
        Ok(stored) => (Some(stored), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let known = stored.flatten();
    let errors: Vec<String> = unread.into_iter().chain(said.error).collect();
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
        last_error: (!errors.is_empty()).then(|| errors.join("; ")),
        last_error_since: said.since_ms.map(write_time),
    })
}

/// What a projector says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    error: Option<String>,
    since_ms: Option<i64>,
}

/// Asks the log, which knows whether somebody is there and what was said last; of partitions that do not get on, the first one counts.
async fn said(app: &App, name: &str, partitions: &[Partition]) -> Said {
    let group = app.topics.group(name);
    let committed = try_join_all(partitions.iter().map(|partition| app.log.committed(&group, partition)));
    let asked = async { futures::try_join!(committed, app.log.members(&group)) };
    match task::timeout(SAID_WITHIN, asked).await {
        Some(Ok((committed, members))) => {
            let each = committed.into_iter().map(|committed| {
                // where something was committed there is a group: then one that the log does not know of is no news
                let nobody = members.map_or(committed.is_none(), |members| members == 0);
                say(nobody, committed.and_then(|committed| committed.note).and_then(|note| Told::from_note(&note)))
            });
            each.into_iter().find(|said| said.error.is_some()).unwrap_or_default()
        }
        Some(Err(error)) => Said { error: Some(format!("what its projector says cannot be read: {error}")), since_ms: None },
        None => Said { error: Some("what its projector says was not told in time".to_owned()), since_ms: None },
    }
}

fn say(nobody: bool, told: Option<Told>) -> Said {
    let since_ms = told.as_ref().map(|told| told.at_ms);
    let error = match (nobody, told) {
        (true, Some(told)) => Some(format!("no projector is running, the last one said: {}", told.text)),
        (true, None) => Some("no projector is running".to_owned()),
        (false, told) => told.map(|told| told.text),
    };
    Said { error, since_ms }
}
