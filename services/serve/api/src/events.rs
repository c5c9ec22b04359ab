//! `GET /v1/events`: outcomes as server-sent events, as they are decided; resumable by position.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use loki_domain::{Position, Stream as In};
use loki_log::{Partition, Reader};
use loki_wire::Verdict;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::App;
use crate::problem::{Problem, Result};
use crate::tail::{self, Placed};
use crate::wait;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Begins after this outcome, `o8`; without it (and without `Last-Event-ID`) only new ones are sent. `o` alone begins at the oldest.
    from: Option<String>,
}

/// Outcomes as they are decided.
///
/// `id` is the outcome's position, `event` is `accepted`, `rejected`, `duplicate` or `dead`, `data` the outcome. A client that comes back with
/// `Last-Event-ID` misses none.
#[utoipa::path(
    get, path = "/v1/events", tag = "history", params(Parameters, ("Last-Event-ID" = Option<String>, Header, description = "The last position that was seen")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String),
        (status = 400, description = "A bad position", body = Problem), (status = 503, description = "The log is away", body = Problem))
)]
pub(crate) async fn stream_events(State(app): State<App>, Query(parameters): Query<Parameters>, headers: HeaderMap) -> Result<Response> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let partition = Partition::only(&app.outcomes);
    let bounds = app.log.bounds(&partition).await?;
    let next = match last.or(parameters.from.as_deref()) {
        Some("o") => bounds.start,
        Some(text) => wait::position("from", text, In::Outcome)?.saturating_add(1).clamp(bounds.start, bounds.end),
        None => bounds.end,
    };
    let follower = Follower { changes: app.tail.changes(), app, partition, next, ready: VecDeque::new(), reader: None };
    Ok(Sse::new(follower.stream()).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

/// One client: from the process's tail while it can, from the log while it is further behind.
struct Follower {
    app: App,
    partition: Partition,
    /// The next offset to send.
    next: u64,
    ready: VecDeque<Arc<Placed>>,
    changes: tokio::sync::watch::Receiver<Option<u64>>,
    reader: Option<Box<dyn Reader>>,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let placed = follower.next().await?;
            Some((Ok(event(&placed)), follower))
        })
    }

    /// The next outcome; `None` ends the stream (shutdown, or the log is away: the client comes back with its last position).
    async fn next(&mut self) -> Option<Arc<Placed>> {
        loop {
            if let Some(placed) = self.ready.pop_front() {
                self.next = placed.offset + 1;
                return Some(placed);
            }
            self.changes.borrow_and_update();
            match self.app.tail.since(self.next, 100) {
                Some(found) => {
                    self.reader = None;
                    self.ready.extend(found);
                }
                None if self.has_fallen_behind() => self.read_log().await?,
                None => {}
            }
            if self.ready.is_empty() {
                let changed = self.app.shutdown.unless(self.changes.changed()).await?;
                changed.ok()?;
            }
        }
    }

    fn has_fallen_behind(&self) -> bool {
        self.changes.borrow().is_some_and(|seen| self.next < seen)
    }

    async fn read_log(&mut self) -> Option<()> {
        if self.reader.is_none() {
            self.reader = Some(self.app.log.reader(&self.partition, self.next).await.ok()?);
        }
        let batch = self.reader.as_mut()?.read(100, Duration::from_millis(100)).await.ok()?;
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
    Event::default().id(Position::outcome(placed.offset).to_string()).event(kind).data(String::from_utf8_lossy(&placed.json))
}
