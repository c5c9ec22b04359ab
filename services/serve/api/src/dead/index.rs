//! Which dead letters there are, and where each lies: the topic followed in memory, one reader per process.
//!
//! A letter's id says where its original came from and not where the letter lies, so without this every question would read the topic from its
//! start. What a letter holds, which may be large, stays in the log. The index is bounded: of more letters than that the newest are left out, said
//! in every list, until older ones were replayed or dropped and the topic is read anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_log::{Batch, Class, Log, Partition, Record};
use loki_runtime::{Backoff, Shutdown};
use loki_wire::DeadLetter;
use tokio::sync::watch;

use super::read::{Letter, line};

/// How many letters are kept, and how many bytes of their lines: an attack, not a mistake, has more.
const COUNT_MAX: usize = 200_000;
const BYTES_MAX: usize = 64 << 20;
/// What a line costs beside its texts, which are there once, and its id, which is there twice.
const LINE_BYTES: usize = 256;
/// Read at once: a record may have more than a MiB.
const RECORDS: usize = 64;

#[derive(Clone)]
pub(crate) struct Index(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    /// The next offset of the topic that was not seen yet; `None` before the first read.
    next: watch::Sender<Option<u64>>,
}

struct Kept {
    by_offset: BTreeMap<u64, Letter>,
    by_id: HashMap<String, u64>,
    bytes: usize,
    count_max: usize,
    /// There are letters that did not find room.
    left_out: bool,
    /// Moves when all of it is read anew.
    generation: u64,
}

/// A part of the list.
pub(super) struct Part {
    pub(super) items: Vec<Letter>,
    /// The offset at which the next part begins.
    pub(super) next: Option<u64>,
    /// This is the end of what is kept, and not the end.
    pub(super) left_out: bool,
}

impl Default for Index {
    fn default() -> Self {
        Self::of_at_most(COUNT_MAX)
    }
}

impl Index {
    fn of_at_most(count_max: usize) -> Self {
        let (by_offset, by_id) = (BTreeMap::new(), HashMap::new());
        let kept = Kept { by_offset, by_id, bytes: 0, count_max, left_out: false, generation: 0 };
        Self(Arc::new(Shared { kept: Mutex::new(kept), next: watch::channel(None).0 }))
    }

    /// Follows the topic until shutdown.
    pub(crate) async fn follow(&self, log: Arc<dyn Log>, partition: Partition, shutdown: Shutdown) {
        let mut backoff = Backoff::for_backend();
        while !shutdown.has_begun() {
            let Some(Err(error)) = shutdown.unless(self.follow_once(&log, &partition, &mut backoff)).await else {
                return;
            };
            // who asks meanwhile hears that the log is away from the log itself
            tracing::debug!(%error, "the dead letters cannot be read");
            // a position outside the log means that it was recreated: begin again
            if error.class() == Class::Invalid {
                self.forget();
            }
            shutdown.unless(backoff.wait()).await;
        }
    }

    async fn follow_once(&self, log: &Arc<dyn Log>, partition: &Partition, backoff: &mut Backoff) -> loki_log::Result<()> {
        let end = log.bounds(partition).await?.end;
        if self.0.next.borrow().is_some_and(|next| next > end) {
            self.forget();
        }
        let mut generation = self.lock().generation;
        let from = self.0.next.borrow().unwrap_or_default();
        let mut reader = log.reader(partition, from).await?;
        loop {
            let now = self.lock().generation;
            if now != generation {
                generation = now;
                reader.seek(0).await?;
            }
            let batch = reader.read(RECORDS, Duration::from_secs(5)).await?;
            // nothing for a while: a log that was recreated and is shorter may never say so to a reader that is beyond its end
            if batch.records.is_empty() && !batch.at_end && log.bounds(partition).await?.end < batch.position {
                return Err(loki_log::Error::Invalid(format!("the log ends before offset {}: it was made anew", batch.position)));
            }
            backoff.reset();
            self.take(&batch, generation);
            if self.has_room_again() {
                self.forget();
            }
        }
    }

    /// Unless it was of the topic before it was to be read anew.
    fn take(&self, batch: &Batch, generation: u64) {
        let mut kept = self.lock();
        if kept.generation == generation {
            batch.records.iter().for_each(|record| kept.take(record));
            self.0.next.send_replace(Some(batch.position));
        }
    }

    /// Whether everything before `end` was seen within this time; else how far it is.
    pub(super) async fn reach(&self, end: u64, limit: Duration) -> Result<(), u64> {
        let mut next = self.0.next.subscribe();
        let reached = async { next.wait_for(|next| next.is_some_and(|next| next >= end)).await.is_ok() };
        match loki_runtime::task::timeout(limit, reached).await {
            Some(true) => Ok(()),
            _ => Err(self.0.next.borrow().unwrap_or_default()),
        }
    }

    /// At most `limit` letters, from this offset on.
    pub(super) fn part(&self, from: u64, limit: usize) -> Part {
        let kept = self.lock();
        let mut rest = kept.by_offset.range(from..);
        let items = rest.by_ref().take(limit).map(|(_, letter)| letter.clone()).collect();
        let next = rest.next().map(|(offset, _)| *offset);
        Part { items, next, left_out: kept.left_out && next.is_none() }
    }

    /// Where the letter with this id lies.
    pub(super) fn offset(&self, id: &str) -> Option<u64> {
        self.lock().by_id.get(id).copied()
    }

    pub(super) fn leaves_out(&self) -> bool {
        self.lock().left_out
    }

    /// What is kept is not what the topic holds: it is read anew.
    pub(super) fn forget(&self) {
        let mut kept = self.lock();
        let (count_max, generation) = (kept.count_max, kept.generation + 1);
        (kept.by_offset, kept.by_id) = (BTreeMap::new(), HashMap::new());
        (kept.bytes, kept.left_out, kept.generation) = (0, false, generation);
        kept.count_max = count_max;
        self.0.next.send_replace(None);
    }

    /// Half of it is free, so that reading the topic once more is worth it.
    fn has_room_again(&self) -> bool {
        let kept = self.lock();
        kept.left_out && kept.by_offset.len() <= kept.count_max / 2 && kept.bytes <= BYTES_MAX / 2
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, record: &Record) {
        let Some(id) = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()) else { return };
        if let Some(older) = self.by_id.remove(id).and_then(|offset| self.by_offset.remove(&offset)) {
            self.bytes -= bytes(&older);
        }
        let Some(letter) = read(record) else { return };
        let letter = line(&letter);
        if self.by_offset.len() >= self.count_max || self.bytes + bytes(&letter) > BYTES_MAX {
            self.left_out = true;
            return;
        }
        self.bytes += bytes(&letter);
        self.by_id.insert(id.to_owned(), record.offset);
        self.by_offset.insert(record.offset, letter);
    }
}

/// The letter of a record; `None` of a removal.
pub(super) fn read(record: &Record) -> Option<DeadLetter> {
    match DeadLetter::read(record.value.as_ref()?, &record.headers) {
        Ok(letter) => Some(letter),
        Err(error) => {
            tracing::warn!(offset = record.offset, %error, "a dead letter cannot be read");
            None
        }
    }
}

fn bytes(letter: &Letter) -> usize {
    LINE_BYTES + 2 * letter.id.len() + letter.code.len() + letter.message.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use loki_log::Topic;
    use loki_wire::DeadReason;

    use super::*;

    fn record(at: u64, offset: u64, there: bool) -> Record {
        let reason = DeadReason { code: "bad_json".to_owned(), message: "no".to_owned() };
        let (topic, value) = ("loki.commands".to_owned(), Some(Bytes::from_static(b"{")));
        let letter =
            DeadLetter { topic, partition: 0, offset, index: 0, at_ms: 5, reason, key: None, value, headers: vec![], omitted: None };
        let (key, value, headers) = letter.write();
        let partition = Partition::only(&Topic::new("loki.dead"));
        Record { partition, offset: at, timestamp_ms: 5, key: Some(key), value: there.then_some(value), headers }
    }

    fn of(index: &Index, from: u64, limit: usize) -> (Vec<u64>, Option<u64>, bool) {
        let Part { items, next, left_out } = index.part(from, limit);
        (items.iter().map(|letter| letter.id.split('/').nth(2).unwrap().parse().unwrap()).collect(), next, left_out)
    }

    #[test]
    fn the_newest_record_of_a_key_counts() {
        let index = Index::default();
        for record in [record(3, 30, true), record(5, 31, true), record(8, 30, true), record(9, 32, true), record(12, 31, false)] {
            index.lock().take(&record);
        }
        assert_eq!(of(&index, 0, 10), (vec![30, 32], None, false));
        assert_eq!(of(&index, 0, 1), (vec![30], Some(9), false));
        assert_eq!(of(&index, 9, 1), (vec![32], None, false));
        assert_eq!((index.offset("loki.commands/0/30/0"), index.offset("loki.commands/0/31/0")), (Some(8), None));
        index.lock().take(&record(13, 30, false));
        index.lock().take(&record(14, 32, false));
        assert_eq!((of(&index, 0, 10).0.len(), index.lock().bytes), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_told_and_read_when_there_is_some() {
        let index = Index::of_at_most(4);
        (0..6).for_each(|at| index.lock().take(&record(at, at, true)));
        assert_eq!(of(&index, 0, 3), (vec![0, 1, 2], Some(3), false));
        assert_eq!(of(&index, 3, 3), (vec![3], None, true));
        assert!(index.leaves_out() && !index.has_room_again());
        index.lock().take(&record(6, 0, false));
        assert!(!index.has_room_again());
        index.lock().take(&record(7, 3, false));
        assert!(index.has_room_again());
        index.forget();
        (1..3).chain(4..6).for_each(|at| index.lock().take(&record(at, at, true)));
        assert_eq!(of(&index, 0, 9), (vec![1, 2, 4, 5], None, false));
    }
}
