//! `GET /v1/events`: outcomes as server-sent events, as they are decided; resumable by position.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use loki_domain::{Key, Position, RunId, Stream as In};
use loki_log::{Bounds, Partition, Reader};
use loki_wire::{Outcome, Verdict};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::App;
use crate::deploy::run;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::tail::{self, Placed};
use crate::{read, wait};

/// Of so many outcomes that a client does not want it is told where the last one lies.
const UNTOLD_MAX: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Begins after this outcome, `o8`; without it (and without `Last-Event-ID`) only new ones are sent. `o` alone begins at the oldest.
    from: Option<String>,
    /// Only those that changed this entity, `node/<id>`.
    key: Option<String>,
    /// Only those that changed this run, one of its batches, or one of its hosts.
    run: Option<String>,
}

/// What a client wants to hear of.
struct Wanted {
    key: Option<Key>,
    run: Option<RunId>,
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self> {
        let key = parameters.key.as_deref().map(|key| read::value("key", key)).transpose()?;
        Ok(Self { key, run: parameters.run.as_deref().map(run::read_id).transpose()? })
    }

    fn has(&self, outcome: &Outcome) -> bool {
        let facts = match &outcome.verdict {
            Verdict::Accepted { facts, .. } => facts.as_slice(),
            Verdict::Rejected(_) | Verdict::Duplicate { .. } | Verdict::Dead { .. } => &[],
        };
        self.key.is_none_or(|key| facts.iter().any(|fact| fact.key == key))
            && self.run.is_none_or(|run| facts.iter().any(|fact| fact.key.run() == Some(run)))
    }
}

/// Outcomes as they are decided.
///
/// `id` is the outcome's position, `event` is `accepted`, `rejected`, `duplicate` or `dead`, `data` the outcome. A client that comes back with
/// `Last-Event-ID` misses none; 503 when too many others are catching up. With `key` or `run` the others are left out, and now and then an `id` alone
/// tells how far it is: clients that keep it, as browsers do, come back there.
#[utoipa::path(
    get, path = "/v1/events", tag = "history", params(Parameters, ("Last-Event-ID" = Option<String>, Header, description = "The last position that was seen")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String),
        (status = 400, description = "A bad position", body = Problem),
        (status = 410, description = "The position is not in the log", body = Problem), (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn stream_events(State(app): State<App>, Query(parameters): Query<Parameters>, headers: HeaderMap) -> Result<Response> {
    let last = headers.get("last-event-id").map(|value| value.to_str()).transpose();
    let last = last.map_err(|_| Problem::bad_parameter("Last-Event-ID", "`Last-Event-ID` must be a position such as o8"))?;
    let field = if last.is_some() { "Last-Event-ID" } else { "from" };
    let wanted = Wanted::read(&parameters)?;
    let place = app.streams.take()?;
    let generation = app.tail.generation();
    let partition = Partition::only(&app.outcomes);
    let bounds = app.log.bounds(&partition).await?;
    let next = match last.or(parameters.from.as_deref()) {
        Some("o") => bounds.start,
        Some(text) => after(wait::position(field, text, In::Outcome)?, &bounds)?,
        None => bounds.end,
    };
    // told now and not in the stream, which could only end: there are few who read the log at once
    let is_behind = app.tail.has_reached_end() && next < bounds.end && app.tail.since(next, 1).is_none();
    let catching_up = is_behind.then(|| app.streams.catch_up()).transpose()?;
    let changes = app.tail.changes();
    let ready = VecDeque::new();
    let follower = Follower { changes, app, partition, wanted, next, generation, ready, reader: None, catching_up, _place: place };
    Ok(Sse::new(follower.stream()).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

/// The next offset after one that the client has seen. What lies between must still be there: a gap is told, never jumped.
fn after(seen: u64, bounds: &Bounds) -> Result<u64> {
    let next = seen.saturating_add(1);
    if (bounds.start..=bounds.end).contains(&next) {
        return Ok(next);
    }
    let detail = format!("o{seen} is outside the log (o{} to o{}): begin again with `from=o`", bounds.start, bounds.end);
    Err(Problem::new(StatusCode::GONE, "gone", detail))
}

/// One client: from the process's tail while it can, from the log while it is further behind.
struct Follower {
    app: App,
    partition: Partition,
    wanted: Wanted,
    /// The next offset to send.
    next: u64,
    /// Of the tail: when it moves the log is another one.
    generation: u64,
    ready: VecDeque<Arc<Placed>>,
    changes: tokio::sync::watch::Receiver<Option<u64>>,
    reader: Option<Box<dyn Reader>>,
    /// Among those who read the log, while it may have to.
    catching_up: Option<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next_event().await?;
            Some((Ok(event), follower))
        })
    }

    async fn next_event(&mut self) -> Option<Event> {
        let mut untold = 0;
        loop {
            let placed = self.next().await?;
            if self.wanted.has(&placed.outcome) {
                return Some(event(&placed));
            }
            untold += 1;
            if untold == UNTOLD_MAX {
                return Some(Event::default().id(id(&placed)));
            }
        }
    }

    /// The next outcome; `None` ends the stream (shutdown, the log is away, or it fell behind while too many others read the log: the client comes
    /// back with its last position).
    async fn next(&mut self) -> Option<Arc<Placed>> {
        loop {
            if let Some(placed) = self.ready.pop_front() {
                self.next = placed.offset + 1;
                return Some(placed);
            }
            if self.app.shutdown.has_begun() || self.app.tail.generation() != self.generation {
                return None;
            }
            // before the question: what lies below it was kept before it was told
            let seen = *self.changes.borrow_and_update();
            match self.app.tail.since(self.next, 100) {
                Some(found) => {
                    (self.reader, self.catching_up) = (None, None);
                    if found.is_empty() {
                        // between the newest outcome and here lies at most a transaction's marker
                        self.next = self.next.max(seen.unwrap_or_default());
                    }
                    self.ready.extend(found);
                }
                None if self.has_fallen_behind() => self.read_log().await?,
                None => {}
            }
            // while it is behind, the next read waits for the log
            if self.ready.is_empty() && !self.has_fallen_behind() {
                let changed = self.app.shutdown.unless(self.changes.changed()).await?;
                changed.ok()?;
            }
        }
    }

    fn has_fallen_behind(&self) -> bool {
        self.changes.borrow().is_some_and(|seen| self.next < seen)
    }

    async fn read_log(&mut self) -> Option<()> {
        if self.catching_up.is_none() {
            self.catching_up = Some(self.app.streams.catch_up().ok()?);
        }
        if self.reader.is_none() {
            self.reader = Some(self.app.log.frugal_reader(&self.partition, self.next).await.ok()?);
        }
        let batch = self.app.shutdown.unless(self.reader.as_mut()?.read(100, Duration::from_secs(1))).await?.ok()?;
        self.next = batch.position.max(self.next);
        for record in &batch.records {
            self.ready.push_back(Arc::new(tail::read(record).ok()?));
        }
        Some(())
    }
}

fn event(placed: &Placed) -> Event {
    let kind = match placed.outcome.verdict {
        Verdict::Accepted { .. } => "accepted",
        Verdict::Rejected(_) => "rejected",
        Verdict::Duplicate { .. } => "duplicate",
        Verdict::Dead { .. } => "dead",
    };
    // outcomes are JSON on one line
    Event::default().id(id(placed)).event(kind).data(String::from_utf8_lossy(&placed.json))
}

fn id(placed: &Placed) -> String {
    Position::outcome(placed.offset).to_string()
}
