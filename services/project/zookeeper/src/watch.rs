//! Reading what somebody else writes at the same time: a state is known when all of it was read at one revision, or not changed since.
//!
//! A recursive watch is set before anything is read, and the server announces each change before it answers with what is newer. A round reads
//! the revision and what was announced, in one question that the server answers from one moment. What was read in a round before and was not
//! announced by the time of that answer still holds at that revision. What is announced of later transactions waits for a later round, so a
//! writer that never rests does not hold it up; servers older than 3.9 do not say of which transaction an announcement is, and all of them count.

use std::collections::BTreeMap;
use std::time::Duration;

use ::zookeeper as zk;
use futures::FutureExt;
use loki_domain::Key;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use crate::config::Config;
use crate::error::Error;
use crate::paths::{Paths, Place};
use crate::read::{Dated, Jsons, Reading, Revision};
use crate::session::{connect, within};

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Failed(#[from] Error),
    #[error("the connection to zookeeper is lost: {0}")]
    Session(zk::SessionState),
    /// What was published may be wrong.
    #[error("{0}")]
    Doubt(&'static str),
    /// What was published holds at its position, but what comes after it is elsewhere.
    #[error("the store was filled anew")]
    Anew,
}

/// A connection with its watch.
pub(crate) struct Watching {
    reading: Reading,
    watcher: zk::PersistentWatcher,
    settle: Duration,
    /// The one that is read; what is announced of others does not matter.
    generation: Option<u64>,
    /// Announced and not read yet: an entity with the first transaction that it was announced of, the revision with the last.
    changed: BTreeMap<Announced, i64>,
}

/// Everything, as it is at one revision.
pub(crate) struct Whole {
    pub(crate) revision: Revision,
    /// The transaction that made its generation.
    pub(crate) made: u64,
    pub(crate) entities: BTreeMap<Key, Vec<u8>>,
}

/// What may be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Announced {
    Revision,
    Entity(Key),
}

impl Watching {
    pub(crate) async fn connect(config: &Config) -> Result<Self, Error> {
        let paths = Paths::new(&config.chroot);
        let client = connect(config).await?;
        let watch = client.watch(paths.root(), zk::AddWatchMode::PersistentRecursive);
        let watcher = within(config.operation_timeout, watch).await?;
        let reading = Reading { client: client.clone(), paths, limit: config.operation_timeout };
        reading.sync().await?;
        Ok(Self { reading, watcher, settle: config.settle, generation: None, changed: BTreeMap::new() })
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Reads everything at one revision; `None` when there is none.
    pub(crate) async fn whole(&mut self) -> Result<Option<Whole>, Ended> {
        loop {
            self.changed.clear();
            let Some(first) = self.reading.revision().await? else { return Ok(None) };
            let generation = first.mark.generation;
            self.generation = Some(generation);
            // read first: what is read after it is of that generation, or of a later one with its number
            let made = self.reading.made(generation).await?;
            let keys = self.reading.keys(generation).await?;
            let jsons = self.reading.jsons(generation, keys.value).await?;
            let mut newest = keys.zxid.max(jsons.zxid);
            let mut values: BTreeMap<Key, Option<Vec<u8>>> = jsons.value.into_iter().collect();
            loop {
                let (revision, read) = self.round(generation).await?;
                let same = |now: &Revision| now.mark.generation == generation && now.mark.stored.log == first.mark.stored.log;
                let Some(revision) = revision.filter(same) else { break };
                newest = newest.max(read.zxid);
                values.extend(read.value);
                if self.unread(&revision) {
                    continue;
                }
                // newer than the revision: it is about to move, or somebody else writes here and has stopped doing so
                if newest > revision.zxid && self.announced_within(self.settle).await? {
                    continue;
                }
                let entities = values.into_iter().filter_map(|(key, json)| Some((key, json?))).collect();
                return Ok(Some(Whole { revision, made, entities }));
            }
        }
    }

    /// The revision, and what was announced, read at that revision.
    pub(crate) async fn round(&mut self, generation: u64) -> Result<(Option<Revision>, Dated<Jsons>), Ended> {
        self.drain()?;
        let key = |announced| match announced {
            Announced::Entity(key) => Some(key),
            Announced::Revision => None,
        };
        let keys = std::mem::take(&mut self.changed).into_keys().filter_map(key).collect();
        let (revision, read) = self.reading.at_once(generation, keys).await?;
        self.drain()?;
        if let Some(revision) = &revision {
            // that it was written is known now
            self.changed
                .retain(|announced, zxid| *announced != Announced::Revision || *zxid > revision.zxid || *zxid == zk::WatchedEvent::NO_ZXID);
        }
        Ok((revision, read))
    }

    /// Whether something of this revision, or of one before, was announced and is not read yet.
    pub(crate) fn unread(&self, revision: &Revision) -> bool {
        // without a transaction (before 3.9) it is less than any
        self.changed.iter().any(|(announced, zxid)| *announced != Announced::Revision && *zxid <= revision.zxid)
    }

    /// How many changes were announced and are not read yet.
    pub(crate) fn waiting(&self) -> usize {
        self.changed.len()
    }

    /// Returns when a revision is announced. It must be within `settle` after something else was announced, or from now on if something is
    /// `unexplained`.
    pub(crate) async fn revision_announced(&mut self, unexplained: bool) -> Result<(), Ended> {
        if !unexplained && self.changed.is_empty() {
            self.announced().await?;
        }
        let since = Stopwatch::start();
        loop {
            self.drain()?;
            if self.changed.contains_key(&Announced::Revision) {
                return Ok(());
            }
            let left = self.settle.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(Ended::Doubt("something was changed in zookeeper without a new revision"));
            }
            self.announced_within(left).await?;
        }
    }

    /// Returns at the next announcement that matters.
    pub(crate) async fn announced(&mut self) -> Result<(), Ended> {
        loop {
            let event = self.watcher.changed().await;
            if self.note(event)? {
                return Ok(());
            }
        }
    }

    async fn announced_within(&mut self, limit: Duration) -> Result<bool, Ended> {
        task::timeout(limit, self.announced()).await.map_or(Ok(false), |announced| announced.map(|()| true))
    }

    /// Takes what was announced so far.
    fn drain(&mut self) -> Result<(), Ended> {
        while let Some(event) = self.watcher.changed().now_or_never() {
            self.note(event)?;
        }
        Ok(())
    }

    fn note(&mut self, event: zk::WatchedEvent) -> Result<bool, Ended> {
        if event.event_type == zk::EventType::Session {
            return Err(Ended::Session(event.session_state));
        }
        let announced = match self.reading.paths.read(&event.path) {
            Place::Revision => Announced::Revision,
            Place::Entity { generation, key } if Some(generation) == self.generation => Announced::Entity(key),
            Place::Entity { .. } | Place::Other => return Ok(false),
        };
        let zxid = self.changed.entry(announced).or_insert(event.zxid);
        if announced == Announced::Revision {
            *zxid = event.zxid;
        }
        Ok(true)
    }
}
