//! Sends what hooks and scripts print to the API, chunk by chunk: while they run, and after, until the API has all of it.
//!
//! Each task at work has a loop of its own beside it, which keeps it from nothing and never fails it. What is left of others, by an earlier process
//! or where their ends came without their loops, is sent by one more, one attempt after the other. How far each attempt is, the executor remembers
//! on disk, so that a loop can be dropped at any point.

use std::sync::Arc;
use std::time::Duration;

use loki_client::{Client, Failure};
use loki_domain::RunId;
use loki_executor::{Chunk, Executor, Unshipped};
use loki_runtime::{Backoff, Shutdown, task};
use reqwest::Method;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{AtWork, BACKOFF};
use crate::metrics;

/// How often it is looked whether a task that runs has printed more.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something is left, beside each time when a task is done.
const LOOK_LEFT: Duration = Duration::from_secs(600);

pub(super) struct Shipping {
    sender: Sender,
    /// The attempts that are being shipped.
    at_work: AtWork,
    loops: JoinSet<()>,
    /// A task is done: it may have ended others.
    done: Arc<Notify>,
}

impl Shipping {
    pub(super) fn new(client: Client) -> Self {
        Self { sender: Sender(client), at_work: AtWork::default(), loops: JoinSet::new(), done: Arc::default() }
    }

    /// Ships an attempt until it is done, unless that is done already; `running` closes when its task has ended.
    pub(super) fn begin(&mut self, executor: &Executor, id: (RunId, u32), running: watch::Receiver<()>, shutdown: &Shutdown) {
        while self.loops.try_join_next().is_some() {}
        if !self.at_work.begin(id) {
            return;
        }
        let (sender, executor, at_work) = (self.sender.clone(), executor.clone(), self.at_work.clone());
        let (shutdown, done) = (shutdown.clone(), self.done.clone());
        self.loops.spawn(async move {
            shutdown.unless(sender.ship(&executor, id, running)).await;
            at_work.end(id);
            done.notify_one();
        });
    }

    /// Ships what has ended and has no loop of its own.
    pub(super) fn begin_left(&mut self, executor: &Executor, shutdown: &Shutdown) {
        let (sender, executor, at_work) = (self.sender.clone(), executor.clone(), self.at_work.clone());
        let (shutdown, done) = (shutdown.clone(), self.done.clone());
        self.loops.spawn(async move {
            shutdown.unless(sender.ship_left(&executor, &at_work, &done)).await;
        });
    }

    /// Ends all loops, and with them their hold on the executor.
    pub(super) async fn stop(&mut self) {
        self.loops.shutdown().await;
        self.at_work = AtWork::default();
    }
}

#[derive(Clone)]
struct Sender(Client);

/// What the API says to a chunk.
enum Answered {
    Taken,
    /// It will never take it, nor what follows: the run is not there any more or was not this server's, or a field is not allowed.
    Never(String),
}

#[derive(Serialize)]
struct Body<'c> {
    attempt: u32,
    step: &'c str,
    offset: u64,
    bytes: usize,
    text: String,
    last: bool,
}

impl Sender {
    async fn ship_left(&self, executor: &Executor, at_work: &AtWork, done: &Notify) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            let pause = match self.ship_ended(executor, at_work).await {
                None => {
                    backoff.reset();
                    LOOK_LEFT
                }
                Some(at_least) => at_least.max(backoff.step()),
            };
            task::timeout(pause, done.notified()).await;
        }
    }

    /// How long to wait at least when something is left. One attempt that is refused keeps none of the others.
    async fn ship_ended(&self, executor: &Executor, at_work: &AtWork) -> Option<Duration> {
        let ended = match executor.ended_unshipped() {
            Ok(ended) => ended,
            Err(error) => {
                metrics::failed("output");
                tracing::warn!(%error, "it cannot be read whose output is not sent yet");
                return Some(Duration::ZERO);
            }
        };
        let mut left = None;
        for id in ended {
            // it may have been told anew meanwhile
            if !at_work.begin(id) {
                continue;
            }
            let shipped = loop {
                match self.ship_next(executor, id).await {
                    Ok(Shipped::Full | Shipped::Some) => {}
                    Ok(Shipped::Nothing | Shipped::Done) => break Ok(()),
                    Err(failure) => break Err(failure),
                }
            };
            at_work.end(id);
            if let Err(failure) = shipped {
                left = Some(failed(id, &failure));
                if matches!(failure, Failure::Away { .. }) {
                    break;
                }
            }
        }
        left
    }

    async fn ship(&self, executor: &Executor, id: (RunId, u32), mut running: watch::Receiver<()>) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            // looked at first: what has ended by then has printed all
            let has_ended = running.has_changed().is_err();
            let failure = match self.ship_next(executor, id).await {
                Ok(Shipped::Done) => return,
                // its end could not be written down: whoever goes on with it ends it
                Ok(Shipped::Nothing) if has_ended => return,
                Ok(shipped) => {
                    backoff.reset();
                    if !has_ended && !matches!(shipped, Shipped::Full) {
                        task::timeout(LOOK, running.changed()).await;
                    }
                    continue;
                }
                Err(failure) => failure,
            };
            task::sleep(failed(id, &failure).max(backoff.step())).await;
        }
    }

    async fn ship_next(&self, executor: &Executor, (run, attempt): (RunId, u32)) -> Result<Shipped, Failure> {
        let on_disk = |error: std::io::Error| Failure::away(format!("the output on this host: {error}"));
        let chunk = match executor.unshipped(run, attempt).map_err(on_disk)? {
            Unshipped::Chunk(chunk) => chunk,
            Unshipped::NothingYet => return Ok(Shipped::Nothing),
            Unshipped::Done => return Ok(Shipped::Done),
        };
        match self.send(run, attempt, &chunk).await? {
            Answered::Taken => {
                executor.shipped(run, attempt, &chunk).map_err(on_disk)?;
                metrics::shipped(chunk.bytes.len() as u64);
                Ok(if chunk.is_full() { Shipped::Full } else { Shipped::Some })
            }
            Answered::Never(reason) => {
                executor.give_up_shipping(run, attempt).map_err(on_disk)?;
                metrics::gave_up();
                tracing::warn!(run.id = %run, attempt, reason, "what a task has printed is not taken, and is not sent any more");
                Ok(Shipped::Done)
            }
        }
    }

    async fn send(&self, run: RunId, attempt: u32, chunk: &Chunk) -> Result<Answered, Failure> {
        let body =
            Body { attempt, step: chunk.step, offset: chunk.offset, bytes: chunk.bytes.len(), text: chunk.text(), last: chunk.is_last };
        let body = serde_json::to_vec(&body).map_err(|error| Failure::away(format!("a chunk cannot be written: {error}")))?;
        let path = ["v1", "runs", &run.to_string(), "hosts", &format!("id:{}", chunk.server), "log"];
        let answer = self.0.send(self.0.request(Method::POST, &path).json(body)).await?;
        if answer.is_success() {
            return Ok(Answered::Taken);
        }
        match answer.status {
            404 if answer.has_code("not_found") => Ok(Answered::Never(answer.told())),
            422 => Ok(Answered::Never(answer.told())),
            // also a token that is mended one day, or an API that does not know of logs yet
            _ => Err(answer.failure()),
        }
    }
}

/// Tells of it, and how long to wait at least.
fn failed((run, attempt): (RunId, u32), failure: &Failure) -> Duration {
    metrics::failed("output");
    match failure {
        Failure::Away { .. } => tracing::debug!(run.id = %run, attempt, %failure, "what a task has printed cannot be sent yet"),
        Failure::Refused(_) => {
            tracing::warn!(run.id = %run, attempt, %failure, "what a task has printed is refused, and is sent again later")
        }
    }
    failure.retry_after()
}

/// How far one try got.
enum Shipped {
    /// A chunk as long as it can be: more is there.
    Full,
    Some,
    Nothing,
    Done,
}
