//! Following the store: one connection's life, from reading everything to the first doubt.
//!
//! What is published is exactly what one revision means:
//!
//! 1. It was read at that revision, as [`crate::watch`] says, and nothing of it is newer. Servers do not promise that one question is answered
//!    from one moment, although they do so.
//! 2. It must be as many entities as the revision says. Fewer are left when somebody is deleting while the writer goes on.
//! 3. What is announced must be explained by a new revision within `settle`. Otherwise somebody else writes there, and only reading
//!    everything again helps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loki_domain::Key;
use loki_runtime::task;
use loki_wire::Change;

use crate::config::Config;
use crate::error::Error;
use crate::live::{Live, wrong_number};
use crate::metrics;
use crate::read::{Reading, Revision};
use crate::view::View;
use crate::watch::{Ended, Watching, Whole};

/// More than this many changed entities are read by reading everything.
const CHANGED_MAX: usize = 50_000;

/// One connection that is followed.
pub(crate) struct Follower {
    watching: Watching,
    settle: Duration,
    live: Arc<Live>,
}

impl Follower {
    pub(crate) async fn connect(config: &Config, live: Arc<Live>) -> Result<Self, Error> {
        Ok(Self { watching: Watching::connect(config).await?, settle: config.settle, live })
    }

    pub(crate) fn client(&self) -> Reading {
        self.watching.reading().clone()
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
                // had it been wrong, its revision would have said that it is being filled
                Ended::Anew => tracing::info!("the store was filled anew: the tree is read again as a whole"),
                other => return other,
            }
        }
    }

    /// Reads everything and publishes it.
    async fn whole(&mut self, published: &(impl Fn() + Sync)) -> Result<Revision, Ended> {
        metrics::read_anew();
        loop {
            let Some(Whole { revision, made, entities }) = self.watching.whole().await? else {
                self.live.replace(View::default(), None, 0);
                published();
                self.watching.announced().await?;
                continue;
            };
            let mut view = View::default();
            for (key, json) in entities {
                view.apply(&self.change(&revision, key, Some(json))?);
            }
            if view.entities() != revision.mark.entities {
                self.live.withdraw(wrong_number(view.entities(), revision.mark.entities));
                published();
                // whoever deletes has not done yet, or the writer notices and fills it anew: not all has to be read for each step of that
                task::sleep(self.settle).await;
                continue;
            }
            self.live.replace(view, Some(revision.mark.stored), made);
            return Ok(revision);
        }
    }

    /// Publishes revision after revision.
    async fn changes(&mut self, mut last: Revision, published: &(impl Fn() + Sync)) -> Result<std::convert::Infallible, Ended> {
        // read and not published yet, and the newest of it
        let mut values: BTreeMap<Key, Option<Vec<u8>>> = BTreeMap::new();
        let mut newest = 0;
        loop {
            self.watching.revision_announced(!values.is_empty()).await?;
            let revision = loop {
                let (revision, read) = self.watching.round(last.mark.generation).await?;
                let revision = revision.ok_or(Ended::Doubt("there is no revision: the store was emptied"))?;
                follows(&revision, &last)?;
                newest = newest.max(read.zxid);
                values.extend(read.value);
                if values.len() + self.watching.waiting() > CHANGED_MAX {
                    return Err(Ended::Doubt("too much has changed at once"));
                }
                if !self.watching.unread(&revision) {
                    break revision;
                }
            };
            // the same one once more, or part of what was read belongs to a later one: with that
            if revision.zxid == last.zxid || newest > revision.zxid {
                continue;
            }
            let changes = std::mem::take(&mut values).into_iter().map(|(key, json)| self.change(&revision, key, json));
            let changes = changes.collect::<Result<Vec<_>, _>>()?;
            if self.live.publish_exactly(&changes, revision.mark.stored, revision.mark.entities).is_err() {
                return Err(Ended::Doubt("entities were deleted or made by somebody else"));
            }
            metrics::published();
            published();
            (last, newest) = (revision, 0);
        }
    }

    fn change(&self, revision: &Revision, key: Key, json: Option<Vec<u8>>) -> Result<Change, Error> {
        match json {
            Some(json) => Ok(Change::Set(self.watching.reading().entity(revision.mark.generation, &key, &json)?)),
            None => Ok(Change::Removed(key)),
        }
    }
}

/// Whether what was published may be changed into this revision.
fn follows(revision: &Revision, last: &Revision) -> Result<(), Ended> {
    let (now, before) = (revision.mark.stored, last.mark.stored);
    if now.log != before.log {
        return Err(Ended::Doubt("the store is of another log"));
    }
    if now.position < before.position {
        return Err(Ended::Doubt("the store was set back"));
    }
    if revision.mark.generation != last.mark.generation {
        return Err(Ended::Anew);
    }
    Ok(())
}
