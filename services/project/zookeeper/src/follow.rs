//! Following the store: one connection's life, from reading everything to the first doubt.
//!
//! What is published is exactly what one revision means:
//!
//! 1. A recursive watch is set before anything is read, so each change after a read is announced; the announcement of a step's changes comes
//!    before the answer that shows its revision, because the revision is written last and answers keep their order.
//! 2. Then: the revision is read, what was announced by then is read, and it is published if nothing read is newer than the revision and
//!    nothing of it was announced again meanwhile. Otherwise the next announcement is awaited.
//! 3. It must be as many entities as the revision says. Fewer are left when somebody is deleting while the writer goes on.
//! 4. What is announced must be explained by a new revision within `settle`. Otherwise somebody else writes there, and only reading
//!    everything again helps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::zookeeper as zk;
use futures::FutureExt;
use loki_domain::Key;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::Change;

use crate::config::Config;
use crate::error::Error;
use crate::live::{Live, wrong_number};
use crate::metrics;
use crate::paths::{Paths, Place};
use crate::read::{Reading, Revision};
use crate::session::{connect, within};
use crate::snapshot::entities;
use crate::view::View;

/// More than this many changed entities are read by reading everything.
const CHANGED_MAX: usize = 50_000;

/// Why following ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Failed(#[from] Error),
    #[error("the connection to zookeeper is lost: {0}")]
    Session(zk::SessionState),
    #[error("{0}")]
    Doubt(&'static str),
}

/// One connection that is followed.
pub(crate) struct Follower {
    reading: Reading,
    watcher: zk::PersistentWatcher,
    settle: Duration,
    live: Arc<Live>,
    /// The one that is read; what is announced of others does not matter.
    generation: Option<u64>,
    /// Announced and not published yet.
    changed: BTreeSet<Announced>,
}

/// What may be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Announced {
    Revision,
    Entity(Key),
}

impl Follower {
    pub(crate) async fn connect(config: &Config, live: Arc<Live>) -> Result<Self, Error> {
        let paths = Paths::new(&config.chroot);
        let client = connect(config).await?;
        let watch = client.watch(paths.root(), zk::AddWatchMode::PersistentRecursive);
        let watcher = within(config.operation_timeout, watch).await?;
        let reading = Reading { client: client.clone(), paths, limit: config.operation_timeout };
        reading.sync().await?;
        Ok(Self { reading, watcher, settle: config.settle, live, generation: None, changed: BTreeSet::new() })
    }

    pub(crate) fn client(&self) -> Reading {
        self.reading.clone()
    }

    /// Returns with the reason why it cannot go on; nothing may be answered then. `published` is called after each publication.
    pub(crate) async fn follow(mut self, published: impl Fn() + Send + Sync) -> Ended {
        loop {
            let ended = match self.whole(&published).await {
                Err(ended) => ended,
                Ok(revision) => {
                    published();
                    match self.changes(revision, &published).await {
                        Err(ended) => ended,
                        Ok(never) => match never {},
                    }
                }
            };
            match ended {
                // the connection is good: only everything has to be read again
                Ended::Doubt(why) => {
                    tracing::info!(why, "the tree is read again as a whole");
                    self.live.withdraw(why);
                    published();
                }
                other => return other,
            }
        }
    }

    /// Reads everything and publishes it.
    async fn whole(&mut self, published: &(impl Fn() + Sync)) -> Result<Revision, Ended> {
        metrics::read_anew();
        loop {
            self.changed.clear();
            let Some(first) = self.revision().await? else {
                self.live.replace(View::default(), None);
                published();
                self.announced().await?;
                continue;
            };
            let generation = first.mark.generation;
            self.generation = Some(generation);
            let mut view = View::default();
            let mut all = entities(&self.reading, generation).await?;
            let mut newest = all.zxid;
            loop {
                for (key, json) in std::mem::take(&mut all.value) {
                    view.apply(&Change::Set(self.reading.entity(generation, &key, &json)?));
                }
                let Some(revision) = self.revision().await? else { break };
                if revision.mark.generation != generation || revision.mark.stored.log != first.mark.stored.log {
                    break;
                }
                self.drain()?;
                let keys = self.take_keys();
                let changes = self.read(generation, keys).await?;
                changes.0.iter().for_each(|change| view.apply(change));
                newest = newest.max(changes.1);
                self.drain()?;
                let again = self.changed.iter().any(|announced| *announced != Announced::Revision);
                if again {
                    continue;
                }
                // newer than the revision: it is about to move, or somebody else writes here and has stopped doing so
                if newest > revision.zxid && self.announced_within(self.settle).await? {
                    continue;
                }
                if view.entities() != revision.mark.entities {
                    self.live.withdraw(wrong_number(view.entities(), revision.mark.entities));
                    published();
                    // whoever deletes has not done yet, or the writer notices and fills it anew: not all has to be read for each step of that
                    task::sleep(self.settle).await;
                    break;
                }
                self.live.replace(view, Some(revision.mark.stored));
                return Ok(revision);
            }
        }
    }

    /// Publishes revision after revision.
    async fn changes(&mut self, mut last: Revision, published: &(impl Fn() + Sync)) -> Result<std::convert::Infallible, Ended> {
        let mut waiting: Option<Stopwatch> = None;
        loop {
            match waiting {
                _ if self.changed.contains(&Announced::Revision) => {}
                None if self.changed.is_empty() => self.announced().await?,
                None => {}
                Some(since) => {
                    let left = self.settle.saturating_sub(since.elapsed());
                    if !self.announced_within(left).await? && since.elapsed() >= self.settle {
                        return Err(Ended::Doubt("something was changed in zookeeper without a new revision"));
                    }
                }
            }
            let Some(revision) = self.revision().await? else {
                return Err(Ended::Doubt("there is no revision: the store was emptied"));
            };
            let (now, before) = (revision.mark.stored, last.mark.stored);
            if revision.mark.generation != last.mark.generation {
                return Err(Ended::Doubt("the store was filled anew"));
            }
            if now.log != before.log {
                return Err(Ended::Doubt("the store is of another log"));
            }
            if now.position < before.position {
                return Err(Ended::Doubt("the store was set back"));
            }
            self.drain()?;
            if self.changed.len() > CHANGED_MAX {
                return Err(Ended::Doubt("too much has changed at once"));
            }
            if revision.zxid == last.zxid {
                let explained = self.changed.iter().all(|announced| *announced == Announced::Revision);
                waiting = if explained { None } else { waiting.or_else(|| Some(Stopwatch::start())) };
                continue;
            }
            waiting = Some(Stopwatch::start());
            let keys = self.take_keys();
            let (changes, newest) = self.read(revision.mark.generation, keys.clone()).await?;
            self.drain()?;
            let again = keys.iter().any(|key| self.changed.contains(&Announced::Entity(*key)));
            // a removal has no transaction to look at: it may be part of a later revision, the rest of which is not announced yet
            let removes = changes.iter().any(|change| matches!(change, Change::Removed(_)));
            let moved = removes && self.reading.revision().await?.is_none_or(|now| now.zxid != revision.zxid);
            if again || moved || newest > revision.zxid {
                // part of it belongs to a later revision: with that
                self.changed.extend(keys.into_iter().map(Announced::Entity));
                continue;
            }
            if self.live.publish_exactly(&changes, now, revision.mark.entities).is_err() {
                return Err(Ended::Doubt("entities were deleted or made by somebody else"));
            }
            metrics::published();
            published();
            last = revision;
            waiting = None;
        }
    }

    async fn read(&self, generation: u64, keys: Vec<Key>) -> Result<(Vec<Change>, i64), Error> {
        let jsons = self.reading.jsons(generation, keys).await?;
        let change = |(key, json): (Key, Option<Vec<u8>>)| match json {
            Some(json) => Ok(Change::Set(self.reading.entity(generation, &key, &json)?)),
            None => Ok(Change::Removed(key)),
        };
        Ok((jsons.value.into_iter().map(change).collect::<Result<_, Error>>()?, jsons.zxid))
    }

    /// The revision; an announcement of it that comes from now on is of a later one, or of this one once more.
    async fn revision(&mut self) -> Result<Option<Revision>, Error> {
        self.changed.remove(&Announced::Revision);
        self.reading.revision().await
    }

    /// The entities that were announced; the announcement of a revision stays.
    fn take_keys(&mut self) -> Vec<Key> {
        let revision = self.changed.take(&Announced::Revision);
        let key = |announced| match announced {
            Announced::Entity(key) => Some(key),
            Announced::Revision => None,
        };
        let keys = std::mem::take(&mut self.changed).into_iter().filter_map(key).collect();
        self.changed.extend(revision);
        keys
    }

    /// Returns at the next announcement that matters.
    async fn announced(&mut self) -> Result<(), Ended> {
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
        self.changed.insert(announced);
        Ok(true)
    }
}
