//! One tail of the outcomes per process: who waits for an outcome, and who follows them all, is served from here.
//!
//! The newest outcomes are kept in memory, bounded in number and bytes; older ones are read from the log or from the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use loki_log::{Class, Log, Partition, Record};
use loki_runtime::{Backoff, Shutdown};
use loki_telemetry::Component;
use loki_wire::digest::Digest;
use loki_wire::{Outcome, outcome};
use tokio::sync::watch;

use crate::deploy::changed::Changed;

/// How many outcomes are kept, and how many bytes of them.
const COUNT_MAX: usize = 20_000;
const BYTES_MAX: usize = 64 << 20;

/// An outcome where it lies in the log.
#[derive(Debug)]
pub struct Placed {
    /// In the outcomes' topic.
    pub offset: u64,
    pub outcome: Outcome,
    /// The JSON as it was written.
    pub json: Bytes,
}

#[derive(Clone)]
pub struct Tail(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    /// The next offset of the outcomes' topic that was not seen yet; `None` until the end was reached for the first time.
    next: watch::Sender<Option<u64>>,
    changed: Changed,
}

#[derive(Default)]
struct Kept {
    by_command: BTreeMap<u64, Arc<Placed>>,
    /// The same, by where they lie.
    by_offset: BTreeMap<u64, Arc<Placed>>,
    /// The newest command of each id.
    by_id: HashMap<String, u64>,
    bytes: usize,
    /// One past the highest command that has its outcome.
    decided: u64,
    /// The newest outcome: where it lies, and what the one after it must carry as `previous`.
    last: Option<(u64, Digest)>,
    generation: u64,
}

impl Default for Tail {
    fn default() -> Self {
        Self(Arc::new(Shared { kept: Mutex::default(), next: watch::channel(None).0, changed: Changed::default() }))
    }
}

impl Tail {
    /// Follows the topic until shutdown.
    pub async fn follow(&self, log: Arc<dyn Log>, partition: Partition, health: Component, shutdown: Shutdown) {
        let mut backoff = Backoff::for_backend();
        while !shutdown.has_begun() {
            let Some(Err(error)) = shutdown.unless(self.follow_once(&log, &partition, &health, &mut backoff)).await else {
                return;
            };
            health.not_ready(format!("outcomes: {error}"));
            // a position outside the log means that it was recreated: begin again
            if error.class() == Class::Invalid {
                self.clear();
            }
            shutdown.unless(backoff.wait()).await;
        }
    }

    async fn follow_once(
        &self,
        log: &Arc<dyn Log>,
        partition: &Partition,
        health: &Component,
        backoff: &mut Backoff,
    ) -> loki_log::Result<()> {
        let bounds = log.bounds(partition).await?;
        let seen = *self.0.next.borrow();
        let from = match seen.filter(|next| (bounds.start..=bounds.end).contains(next)) {
            Some(next) => next,
            None => {
                // the log was recreated or set back: what is kept is not its truth
                if seen.is_some() {
                    self.clear();
                }
                bounds.end.saturating_sub(COUNT_MAX as u64).max(bounds.start)
            }
        };
        let mut reader = log.reader(partition, from).await?;
        loop {
            let batch = reader.read(1000, Duration::from_secs(5)).await?;
            for record in &batch.records {
                match read(record) {
                    Ok(placed) => self.follow_on(placed)?,
                    Err(error) => return Err(loki_log::Error::Fatal(format!("outcome at o{} cannot be read: {error}", record.offset))),
                }
            }
            // nothing for a while: a log that was recreated and is shorter may never say so to a reader that is beyond its end
            if batch.records.is_empty() && !batch.at_end && log.bounds(partition).await?.end < batch.position {
                return Err(loki_log::Error::Invalid(format!("the log ends before o{}: it was made anew", batch.position)));
            }
            backoff.reset();
            if batch.at_end || self.0.next.borrow().is_some() {
                self.0.next.send_replace(Some(batch.position));
                health.ready();
            }
        }
    }

    /// Keeps an outcome that carries on the chain. One that does not is of another log: the topic was recreated and filled past where the
    /// reader was, which no offset tells.
    fn follow_on(&self, placed: Placed) -> loki_log::Result<()> {
        let last = self.lock().last;
        if last.is_some_and(|(offset, hash)| placed.offset > offset && placed.outcome.previous != hash) {
            if self.has_reached_end() {
                return Err(loki_log::Error::Invalid(format!(
                    "the outcome at o{} does not follow the one before: the log was made anew",
                    placed.offset
                )));
            }
            // not live yet: the chain is broken in the log itself, or the log changed just now. What came before is forgotten; stopping here
            // would mend nothing
            tracing::warn!(offset = placed.offset, "the outcome does not follow the one before");
            self.clear();
        }
        self.keep(placed);
        Ok(())
    }

    /// The outcome of the command at this position, once it is there; `None` when `limit` has passed first.
    pub async fn wait_for(&self, command: u64, limit: Duration) -> Option<Arc<Placed>> {
        let mut next = self.0.next.subscribe();
        loki_runtime::task::timeout(limit, async {
            loop {
                next.borrow_and_update();
                if let Some(placed) = self.command(command) {
                    return Some(placed);
                }
                if self.lock().decided > command || next.changed().await.is_err() {
                    return None;
                }
            }
        })
        .await
        .flatten()
    }

    /// The outcome of the command at this position, if it is kept.
    pub fn command(&self, command: u64) -> Option<Arc<Placed>> {
        self.lock().by_command.get(&command).cloned()
    }

    /// The newest outcome for this id, if it is kept.
    pub fn id(&self, id: &str) -> Option<Arc<Placed>> {
        let kept = self.lock();
        kept.by_id.get(id).and_then(|command| kept.by_command.get(command)).cloned()
    }

    /// Whether the command at this position has its outcome, kept or not.
    pub fn has_decided(&self, command: u64) -> bool {
        self.lock().decided > command
    }

    /// Whether the end of the topic was reached at least once.
    pub fn has_reached_end(&self) -> bool {
        self.0.next.borrow().is_some()
    }

    /// Moves when what was kept turned out to be of another log.
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// One past the highest command that has its outcome, as far as was seen.
    pub fn decided(&self) -> u64 {
        self.lock().decided
    }

    /// Kept outcomes from this offset of the outcomes' topic on, at most `max`; none when it is past the newest. `None` when the first ones are
    /// no longer kept, or nothing is.
    pub fn since(&self, offset: u64, max: usize) -> Option<Vec<Arc<Placed>>> {
        let kept = self.lock();
        let (first, _) = kept.by_offset.first_key_value()?;
        (*first <= offset).then(|| kept.by_offset.range(offset..).take(max).map(|(_, placed)| placed.clone()).collect())
    }

    /// Which servers' tasks have changed.
    pub(crate) fn changed(&self) -> &Changed {
        &self.0.changed
    }

    /// Changes whenever something was added.
    pub fn changes(&self) -> watch::Receiver<Option<u64>> {
        self.0.next.subscribe()
    }

    fn keep(&self, placed: Placed) {
        let mut kept = self.lock();
        let command = placed.outcome.command;
        if kept.last.is_none_or(|(offset, _)| placed.offset > offset) {
            kept.last = Some((placed.offset, outcome::hash(&placed.json)));
        }
        kept.bytes += placed.json.len();
        kept.decided = kept.decided.max(command + 1);
        kept.by_id.insert(placed.outcome.id.clone(), command);
        self.0.changed.read(&placed.outcome);
        let placed = Arc::new(placed);
        // after a failure the same records come again
        if let Some(before) = kept.by_command.insert(command, placed.clone()) {
            kept.bytes -= before.json.len();
            kept.by_offset.remove(&before.offset);
        }
        kept.by_offset.insert(placed.offset, placed);
        while kept.by_command.len() > COUNT_MAX || kept.bytes > BYTES_MAX {
            let Some((command, oldest)) = kept.by_command.pop_first() else { break };
            kept.bytes -= oldest.json.len();
            kept.by_offset.remove(&oldest.offset);
            if kept.by_id.get(&oldest.outcome.id) == Some(&command) {
                kept.by_id.remove(&oldest.outcome.id);
            }
        }
    }

    fn clear(&self) {
        let mut kept = self.lock();
        let generation = kept.generation + 1;
        *kept = Kept { generation, ..Kept::default() };
        drop(kept);
        self.0.changed.clear();
        self.0.next.send_replace(None);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a record of the outcomes' topic.
pub(crate) fn read(record: &Record) -> Result<Placed, loki_wire::Error> {
    let outcome = loki_wire::outcome::read(record.value.as_ref(), &record.headers)?;
    Ok(Placed { offset: record.offset, outcome, json: record.value.clone().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use loki_wire::Verdict;

    use super::*;

    fn placed(command: u64, id: &str) -> Placed {
        let verdict = Verdict::Accepted { after: None, facts: vec![] };
        let outcome = Outcome {
            id: id.to_owned(),
            actor: "a".to_owned(),
            kind: "node.create".to_owned(),
            command,
            at_ms: 0,
            rules: 1,
            previous: [0; 32],
            digest: None,
            verdict,
        };
        Placed { offset: command * 2, outcome, json: Bytes::from_static(b"{}") }
    }

    #[tokio::test]
    async fn a_waiter_is_woken_and_the_oldest_leave() {
        let tail = Tail::default();
        assert!(tail.wait_for(3, Duration::from_millis(1)).await.is_none());
        let waiting = {
            let tail = tail.clone();
            loki_runtime::task::spawn("test", async move { tail.wait_for(3, Duration::from_secs(60)).await })
        };
        for command in 0..=COUNT_MAX as u64 {
            tail.keep(placed(command, &format!("id{}", command % 7)));
            tail.0.next.send_replace(Some(command * 2 + 1));
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.await.unwrap().map(|placed| placed.outcome.command), Some(3));
        assert!(tail.command(0).is_none() && tail.has_decided(0));
        assert!(tail.wait_for(0, Duration::from_secs(60)).await.is_none());
        assert_eq!(tail.since(0, 10).map(|found| found.len()), None);
        assert_eq!(tail.since(2, 10).map(|found| found[0].offset), Some(2));
        assert_eq!(tail.since(3, 10).map(|found| found[0].offset), Some(4));
        let offsets = |offset, max| tail.since(offset, max).map(|found| found.iter().map(|placed| placed.offset).collect::<Vec<_>>());
        assert_eq!(offsets(5, 3), Some(vec![6, 8, 10]), "the first ones, in order");
        assert_eq!(offsets(COUNT_MAX as u64 * 2 + 1, 3), Some(vec![]));
        tail.keep(placed(7, "again"));
        assert_eq!(offsets(13, 2), Some(vec![14, 16]), "one that came again is there once");
        assert_eq!(tail.id("id6").map(|placed| placed.outcome.command % 7), Some(6));
    }
}
