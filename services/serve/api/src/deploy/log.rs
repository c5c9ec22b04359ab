//! `/v1/runs/{run}/hosts/{host}/log`: what hooks and scripts print on a host. Its agent sends it in chunks; people read it, while it is printed and
//! after.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use loki_domain::{Position, RunId, ServerId, Stream, TaskState};
use loki_log::{NewRecord, Partition};
use loki_mysql::port::{Answer, ChunkView, Place, TaskLog};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, task};
use loki_wire::envelope::write_time;
use loki_wire::task_log;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{run, told};
use crate::App;
use crate::extract::{Path, Query, Whole};
use crate::problem::{Problem, Result};
use crate::{read, wait};

/// Chunks of an answer, at most: 1.6 MiB of output.
const LIMIT_MAX: usize = 50;
/// Between two looks for something new: whoever follows sees a line about so much later.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Where in the topic a chunk lies now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Appended {
    /// Its position, `l5`.
    position: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Where to begin: `next` of an answer, or the number of an attempt, `2`; with nothing it begins at the first.
    from: Option<String>,
    /// How many chunks, 1 to 50; 50 when absent. A chunk is at most 32 KiB of output.
    limit: Option<usize>,
    /// Where there is nothing more yet: how long to wait for it, `10s`; at most an hour, and never longer than `api.wait_max`.
    follow: Option<String>,
    /// The position of a chunk that must have been passed, `l5`.
    after: Option<String>,
}

/// A part of a host's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Log {
    /// The server's id.
    server: String,
    /// The attempt that the host is at: a retry is the next one.
    attempt: u32,
    /// How far the host is with it: `pending`, `running`, `succeeded`, `failed` or `unknown`.
    state: &'static str,
    items: Vec<Chunk>,
    /// What comes after the last item, or what was asked for where there is none: the `from` of the next question.
    next: String,
    /// That was all: the host is done with its attempt, and the end of its log is before `next`.
    complete: bool,
}

/// A part of what an attempt has printed. Where its `offset` is beyond what came before, older output is not kept any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chunk {
    attempt: u32,
    /// The step that printed it.
    step: String,
    /// Bytes of the attempt's log before it.
    offset: u64,
    /// How many original bytes it stands for.
    bytes: u32,
    /// These as UTF-8: what is none was replaced.
    text: String,
    /// When the log took it.
    at: String,
}

/// Takes a chunk of what a host's hooks or script have printed, from its agent.
///
/// An attempt's log is one stream, the output of its steps one after the other. A chunk that is sent again, because nobody heard that it was taken,
/// has the same `offset` and the same bytes, and is read once.
#[utoipa::path(
    post, path = "/v1/runs/{run}/hosts/{host}/log", tag = "deploys",
    params(("run" = String, Path, description = "The run's id"), ("host" = String, Path, description = "The server's name, or `id:` and its id")),
    request_body(content = serde_json::Value, description = "`{\"attempt\":1,\"step\":\"start\",\"offset\":0,\"bytes\":3,\"text\":\"ok\\n\",\"last\":false}`, as schema `task-log.chunk.v1` says; 1 to 32,768 `bytes`, 0 only with `last`"),
    responses((status = 202, description = "It is in the log", body = Appended), (status = 400, description = "No JSON, or a bad parameter", body = Problem),
        (status = 404, description = "No such run, or it has not told this host anything", body = Problem),
        (status = 422, description = "A field that is not allowed", body = Problem), (status = 503, description = "The log or the store is away", body = Problem))
)]
pub(crate) async fn post_log(State(app): State<App>, Path((run, host)): Path<(String, String)>, Whole(body): Whole) -> Result<Response> {
    let (run, server) = (run::read_id(&run)?, told::id_of(&app, "host", &host).await?);
    let chunk = task_log::read_body(run, server, &body)?;
    let attempt = task(&app, run, server).await?.0;
    if chunk.attempt > attempt {
        let detail = format!("`attempt` is {}, and the host was told {attempt} so far", chunk.attempt);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).field("attempt"));
    }
    let (key, value, headers) = task_log::write(&chunk);
    let record = NewRecord { key: Some(key), value: Some(value), headers, timestamp_ms: None };
    let appended = app.log.append(&Partition::only(&app.task_log_topic), vec![record]).await?;
    let position = appended.first().copied().ok_or_else(|| Problem::not_ready("the log gave no position"))?;
    Ok((StatusCode::ACCEPTED, Json(Appended { position: Position::task_log(position).to_string() })).into_response())
}

/// What a host's hooks and scripts have printed in a run, in parts.
///
/// With `follow` it answers as soon as there is something, or with no item at the end of the wait. It is kept for 30 days, and of each host the
/// last 64 MiB.
#[utoipa::path(
    get, path = "/v1/runs/{run}/hosts/{host}/log", tag = "deploys",
    params(Parameters, ("run" = String, Path, description = "The run's id"), ("host" = String, Path, description = "The server's name, or `id:` and its id")),
    responses((status = 200, description = "A part of the log", body = Log), (status = 400, description = "A bad parameter", body = Problem),
        (status = 404, description = "No such run, or it has not told this host anything", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_log(
    State(app): State<App>,
    Path((run, host)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response> {
    let from = parameters.from.as_deref().map(place).transpose()?.unwrap_or_default();
    let limit = parameters.limit.unwrap_or(LIMIT_MAX);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_parameter("limit", format!("`limit` must be 1 to {LIMIT_MAX}")));
    }
    let follow = parameters.follow.as_deref().map(|text| wait::duration("follow", text, app.config.wait_max)).transpose()?;
    let after = wait::after(parameters.after.as_deref(), &headers, Stream::TaskLog)?.map(Position::task_log);
    if let Some(after) = after {
        wait::unless_stopping(&app, app.task_logs.wait(after, app.config.wait_max)).await?;
    }
    let (run, server) = (run::read_id(&run)?, told::id_of(&app, "host", &host).await?);
    let (since, mut backoff) = (Stopwatch::start(), Backoff::new(LOOK.0, LOOK.1));
    loop {
        // the task first: what it has printed before its end may come after it
        let (attempt, state) = task(&app, run, server).await?;
        let answer = app.task_logs.task_log(run, server, from, limit, after).await?;
        let body = log(server, (attempt, state), from, &answer);
        let left = follow.unwrap_or_default().saturating_sub(since.elapsed());
        if !body.items.is_empty() || body.complete || left.is_zero() {
            return Ok(read::at(Position::task_log(answer.stored.position.saturating_sub(1)), body));
        }
        tokio::select! {
            () = task::sleep(backoff.step().min(left)) => {}
            () = app.shutdown.begun() => return Err(Problem::not_ready("this process is shutting down: ask another")),
        }
    }
}

/// The attempt that a host is at, and how far it is.
async fn task(app: &App, run: RunId, server: ServerId) -> Result<(u32, TaskState)> {
    let task = app.deploys.task(run, server, None).await?.value;
    let task = task.ok_or_else(|| Problem::not_found(format!("the run `{run}` has not told the server `{server}` anything")))?;
    Ok((task.attempt, task.state))
}

fn log(server: ServerId, (attempt, state): (u32, TaskState), from: Place, answer: &Answer<TaskLog>) -> Log {
    let TaskLog { chunks, newest } = &answer.value;
    let next = chunks.last().map_or(from, |view| Place::after(&view.chunk));
    // of an attempt before it says nothing
    let end = newest.as_ref().filter(|newest| newest.is_last && newest.attempt == attempt).map(Place::after);
    Log {
        server: server.to_string(),
        attempt,
        state: state.as_str(),
        items: chunks.iter().filter(|view| view.chunk.bytes > 0).map(chunk).collect(),
        next: format!("{}.{}", next.attempt, next.offset),
        // one of which nothing was heard in time may go on all the same; then its log has no end yet
        complete: !state.is_open() && end.is_some_and(|end| next >= end),
    }
}

fn chunk(view: &ChunkView) -> Chunk {
    let task_log::Chunk { attempt, step, offset, bytes, text, .. } = view.chunk.clone();
    Chunk { attempt, step, offset, bytes, text, at: write_time(view.at_ms) }
}

/// `2.4096`, or an attempt alone.
fn place(text: &str) -> Result<Place> {
    let (attempt, offset) = text.split_once('.').unwrap_or((text, "0"));
    match (attempt.parse(), offset.parse()) {
        (Ok(attempt), Ok(offset)) if offset <= task_log::OFFSET_MAX => Ok(Place { attempt, offset }),
        _ => {
            let detail = format!("`from` must be `next` of an answer, or the number of an attempt, not `{}`", text.escape_default());
            Err(Problem::bad_parameter("from", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::LogId;
    use loki_runner::{State as StoreState, Stored};

    use super::*;

    fn printed(attempt: u32, offset: u64, text: &str, is_last: bool) -> task_log::Chunk {
        let (run, server, step) = (RunId::MIN, ServerId::MIN, "start".to_owned());
        task_log::Chunk { run, server, attempt, step, offset, bytes: text.len() as u32, text: text.to_owned(), is_last }
    }

    fn answer(chunks: &[task_log::Chunk], newest: &task_log::Chunk) -> Answer<TaskLog> {
        let chunks = chunks.iter().map(|chunk| ChunkView { chunk: chunk.clone(), at_ms: 0 }).collect();
        let stored = Stored { log: LogId::MIN, position: 9, state: StoreState::Live, ended_ms: 0 };
        Answer { value: TaskLog { chunks, newest: Some(newest.clone()) }, stored }
    }

    #[test]
    fn it_is_complete_when_the_host_is_done_and_all_was_given() {
        let (one, last) = (printed(1, 0, "a\n", false), printed(1, 2, "", true));
        let of = |task, from, answer: &Answer<TaskLog>| {
            let log = log(ServerId::MIN, task, from, answer);
            (log.items.len(), log.next, log.complete)
        };
        let done = (1, TaskState::Succeeded);
        let all = answer(&[one.clone(), last.clone()], &last);
        assert_eq!(of(done, Place::default(), &all), (1, "2.0".to_owned(), true));
        assert_eq!(of((1, TaskState::Running), Place::default(), &all), (1, "2.0".to_owned(), false));
        assert_eq!(of(done, Place::default(), &answer(std::slice::from_ref(&one), &last)), (1, "1.2".to_owned(), false), "there is more");
        assert_eq!(of(done, Place { attempt: 2, offset: 0 }, &answer(&[], &last)), (0, "2.0".to_owned(), true));
        assert_eq!(
            of(done, Place::default(), &answer(std::slice::from_ref(&one), &one)),
            (1, "1.2".to_owned(), false),
            "its end is on its way"
        );
        // an attempt before it was complete
        assert_eq!(of((2, TaskState::Failed), Place::default(), &all), (1, "2.0".to_owned(), false));
    }

    #[test]
    fn a_place_is_an_attempt_and_an_offset() {
        assert_eq!(place("2.4096").unwrap(), Place { attempt: 2, offset: 4_096 });
        assert_eq!(place("2").unwrap(), Place { attempt: 2, offset: 0 });
        for wrong in ["", "a", "1.", "1.2.3", "-1", "1.-1", "1.9999999999999999"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
