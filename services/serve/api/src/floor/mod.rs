//! How far a store must be to be read at all, also by a process that has never read it before.
//!
//! A reader never answers with an older truth than it did before, but what was answered by another process, or before this one started, it does
//! not know. The projector's consumer group does: its committed offset is the live store's position, never more. A store below it was set back
//! to an older copy; it is refused here, as it is by the projector.
//!
//! The offset is read again now and then. What it says then counts one reading later: a copy that a reader is given may be a little behind the
//! store that the projector writes. A lower one counts at once, because the log itself may have been set back and the store filled from it again.

mod deploys;
mod domains;
mod history;
mod readiness;
mod samples;
mod servers;
mod state;
mod task_logs;
mod tree;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loki_domain::{Position, Stream};
use loki_log::{Log, Partition, Topic};
use loki_mysql::port::{Answer, NotReady, ReadError};
use loki_redis::facts::ServersReader;
use loki_runtime::{Backoff, task};
use loki_wire::Topics;
use tokio::sync::Notify;

use self::deploys::DeploysAbove;
use self::domains::DomainsAbove;
use self::history::HistoryAbove;
use self::readiness::watch;
use self::servers::ServersAbove;
use self::state::StateAbove;
use self::task_logs::TaskLogsAbove;
use self::tree::TreeAbove;
use crate::{App, Sources};

/// How often the group's offset is read, and how soon again when a store was refused for it.
const EVERY: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(500);

/// The lowest position of one store that is accepted. Cheap to clone.
#[derive(Clone)]
struct Floor(Arc<Shared>);

struct Shared {
    stream: Stream,
    /// The projector's consumer group, and what it reads.
    group: String,
    partition: Partition,
    /// `UNKNOWN` until the log was asked.
    lowest: AtomicU64,
    /// Why it could not be asked when it was last tried in vain.
    failure: Mutex<String>,
    doubted: Notify,
}

const UNKNOWN: u64 = u64::MAX;

/// Of all stores.
pub(crate) struct Floors {
    state: Floor,
    history: Floor,
    task_logs: Floor,
    domains: Floor,
    tree: Floor,
    servers: Floor,
    /// The group of the samples' live state.
    samples: String,
}

impl Floors {
    pub(crate) fn new(topics: &Topics) -> Self {
        // groups are named as their projections are
        let floor = |stream, name, topic: &str| Floor::new(stream, topics.group(name), Partition::only(&Topic::new(topic)));
        Self {
            state: floor(Stream::Fact, "mysql", &topics.facts),
            history: floor(Stream::Outcome, "history", &topics.outcomes),
            task_logs: floor(Stream::TaskLog, "task_logs", &topics.task_logs),
            domains: floor(Stream::Fact, "cdn_system", &topics.facts),
            tree: floor(Stream::Fact, "zookeeper", &topics.facts),
            servers: floor(Stream::Fact, loki_redis::metrics::FACTS_NAME, &topics.facts),
            samples: topics.group(loki_redis::metrics::SAMPLES_NAME),
        }
    }

    /// The same sources, refused where they are not far enough.
    pub(crate) fn above(&self, sources: Sources) -> Sources {
        Sources {
            log: sources.log,
            intake: sources.intake,
            series: sources.series,
            state: Arc::new(StateAbove { inner: sources.state, floor: self.state.clone() }),
            deploys: Arc::new(DeploysAbove { inner: sources.deploys, floor: self.state.clone() }),
            history: Arc::new(HistoryAbove { inner: sources.history, floor: self.history.clone() }),
            task_logs: Arc::new(TaskLogsAbove { inner: sources.task_logs, floor: self.task_logs.clone() }),
            domains: Arc::new(DomainsAbove { inner: sources.domains, floor: self.domains.clone() }),
            tree: Arc::new(TreeAbove { inner: sources.tree, floor: self.tree.clone() }),
            servers: sources.servers.map(|inner| Arc::new(ServersAbove { inner, floor: self.servers.clone() }) as Arc<dyn ServersReader>),
            live: sources.live,
            artifacts: sources.artifacts,
            buckets: sources.buckets,
        }
    }

    /// Follows how far the stores must be and tells whether they can be read, until shutdown.
    pub(crate) fn follow(self, app: &App) {
        let servers = app.servers.clone().map(|reader| (reader, self.servers));
        let kept = servers.as_ref().map(|(_, floor)| floor.clone());
        let floors = [&self.state, &self.history, &self.task_logs, &self.domains, &self.tree].map(Floor::clone);
        for floor in floors.into_iter().chain(kept) {
            let (log, shutdown) = (app.log.clone(), app.shutdown.clone());
            task::spawn("floor", async move { shutdown.unless(floor.follow(log)).await });
        }
        let (state, history, domains, tree) = (app.state.clone(), app.history.clone(), app.domains.clone(), app.tree.clone());
        let task_logs = app.task_logs.clone();
        watch(app, "mysql reader", self.state, move || {
            let state = state.clone();
            async move { state.stored().await }
        });
        watch(app, "history reader", self.history, move || {
            let history = history.clone();
            async move { history.stored().await }
        });
        watch(app, "task_logs reader", self.task_logs, move || {
            let task_logs = task_logs.clone();
            async move { task_logs.stored().await }
        });
        watch(app, "cdn_system reader", self.domains, move || {
            let domains = domains.clone();
            async move { domains.stored().await }
        });
        watch(app, "tree reader", self.tree, move || {
            let tree = tree.clone();
            async move { tree.stored().await.map_err(|error| ReadError::Away(error.0)) }
        });
        if let Some((servers, floor)) = servers {
            watch(app, "servers reader", floor, move || {
                let servers = servers.clone();
                async move { servers.stored().await.map_err(|error| ReadError::Away(error.0)) }
            });
        }
        samples::follow(app, self.samples);
    }
}

impl Floor {
    fn new(stream: Stream, group: String, partition: Partition) -> Self {
        Self(Arc::new(Shared {
            stream,
            group,
            partition,
            lowest: AtomicU64::new(UNKNOWN),
            failure: Mutex::default(),
            doubted: Notify::new(),
        }))
    }

    /// Reads the group's offset again and again.
    async fn follow(&self, log: Arc<dyn Log>) {
        let mut backoff = Backoff::for_backend();
        let mut before = None;
        loop {
            match log.committed(&self.0.group, &self.0.partition).await {
                Ok(committed) => {
                    // a group that never committed says nothing
                    let now = committed.map_or(0, |committed| committed.position);
                    self.0.lowest.store(before.map_or(now, |before| now.min(before)), Ordering::Relaxed);
                    before = Some(now);
                    backoff.reset();
                    task::sleep(SOON).await;
                    let _doubted = task::timeout(EVERY, self.0.doubted.notified()).await;
                }
                Err(error) => {
                    // what is known of it stays good
                    self.failed(format!("the offset of the group `{}` cannot be read: {error}", self.0.group));
                    backoff.wait().await;
                }
            }
        }
    }

    fn failed(&self, why: String) {
        *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn failure(&self) -> String {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What holds for an answer that is asked for now.
    fn now(&self) -> Result<u64, NotReady> {
        match self.0.lowest.load(Ordering::Relaxed) {
            UNKNOWN => Err(NotReady::Unknown),
            lowest => Ok(lowest),
        }
    }

    /// Refuses a position below what held when it was asked for.
    fn check(&self, lowest: u64, position: u64) -> Result<(), NotReady> {
        if position >= lowest {
            return Ok(());
        }
        self.0.doubted.notify_one();
        Err(NotReady::Older { at: self.at(position), was: self.at(lowest) })
    }

    fn at(&self, offset: u64) -> Position {
        Position { stream: self.0.stream, offset }
    }

    /// Gives an answer on if the store was far enough.
    async fn above<T>(&self, asked: impl Future<Output = Result<Answer<T>, ReadError>>) -> Result<Answer<T>, ReadError> {
        let lowest = self.now()?;
        let answer = asked.await?;
        self.check(lowest, answer.stored.position)?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_the_offset_is_known_and_nothing_below_it() {
        let floor = Floor::new(Stream::Fact, "mysql".to_owned(), Partition::only(&Topic::new("loki.facts")));
        assert_eq!(floor.now(), Err(NotReady::Unknown));
        floor.0.lowest.store(7, Ordering::Relaxed);
        let lowest = floor.now().unwrap();
        assert_eq!(floor.check(lowest, 7), Ok(()));
        assert_eq!(floor.check(lowest, 6), Err(NotReady::Older { at: Position::fact(6), was: Position::fact(7) }));
    }
}
