//! A log in memory. It keeps the port's promise as far as projections use it, and breaks on command: it goes away, takes partitions away,
//! is compacted, trimmed, restored from an older copy or made again. Transactions are the real logs' business.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use loki_log::{
    Batch, Bounds, Committed, Error, Log, Member, NewRecord, Partition, Reader, Record, Result, Topic, TopicChange, TopicSpec, Writer,
};
use loki_runtime::task;
use tokio::sync::watch;

use super::log_member::{Group, MemoryMember};

/// Cheap to clone. Topics have one partition and exist once they are named.
#[derive(Debug, Clone)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    parts: BTreeMap<Partition, Part>,
    pub(super) groups: HashMap<String, Group>,
    pub(super) members: u64,
    away: u64,
    as_kafka: bool,
    readers: u64,
}

/// `None`: a transaction's marker, or a record that compaction removed.
#[derive(Debug, Default)]
struct Part {
    start: u64,
    slots: Vec<Option<Record>>,
}

/// A place in a partition.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) position: u64,
    from_beginning: bool,
    end_told: bool,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    pub fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), changed: watch::Sender::new(0) }))
    }

    /// Tells the end in a batch of its own, and only there counts the markers before it.
    pub fn as_kafka(self) -> Self {
        self.lock().as_kafka = true;
        self
    }

    /// Writes a transaction: all or nothing, and a marker behind it when `marker`. Not subject to `away`. Returns the first offset.
    pub fn write(&self, partition: &Partition, records: Vec<NewRecord>, marker: bool) -> u64 {
        let first = {
            let mut state = self.lock();
            let part = state.parts.entry(partition.clone()).or_default();
            let first = part.slots.len() as u64;
            for (offset, record) in (first..).zip(records) {
                let NewRecord { key, value, headers, timestamp_ms } = record;
                let timestamp_ms = timestamp_ms.unwrap_or(offset as i64);
                part.slots.push(Some(Record { partition: partition.clone(), offset, timestamp_ms, key, value, headers }));
            }
            if marker {
                part.slots.push(None);
            }
            first
        };
        self.tell();
        first
    }

    /// Everything that is readable.
    pub fn records(&self, partition: &Partition) -> Vec<Record> {
        let state = self.lock();
        let part = state.parts.get(partition);
        part.map_or_else(Vec::new, |part| part.slots.iter().skip(part.start as usize).flatten().cloned().collect())
    }

    /// The next calls fail; 0 ends it.
    pub fn away(&self, calls: u64) {
        self.lock().away = calls;
        self.tell();
    }

    /// Removes records as compaction does.
    pub fn compact(&self, partition: &Partition, keep: impl Fn(&Record) -> bool) {
        if let Some(part) = self.lock().parts.get_mut(partition) {
            for slot in &mut part.slots {
                if slot.as_ref().is_some_and(|record| !keep(record)) {
                    *slot = None;
                }
            }
        }
    }

    /// Removes everything before `start`, as retention does.
    pub fn trim(&self, partition: &Partition, start: u64) {
        if let Some(part) = self.lock().parts.get_mut(partition) {
            part.start = start;
        }
        self.tell();
    }

    /// Restored from an older copy that ended at `end`; with 0 it was made again.
    pub fn truncate(&self, partition: &Partition, end: u64) {
        if let Some(part) = self.lock().parts.get_mut(partition) {
            part.slots.truncate(end as usize);
            part.start = part.start.min(end);
        }
        self.tell();
    }

    /// Takes the partitions away in order from who holds them.
    pub fn revoke(&self, group: &str) {
        if let Some(group) = self.lock().groups.get_mut(group) {
            group.revoke();
        }
        self.tell();
    }

    /// Takes the partitions away without asking: the session of who holds them expired.
    pub fn lose(&self, group: &str) {
        if let Some(group) = self.lock().groups.get_mut(group) {
            group.lose();
        }
        self.tell();
    }

    /// How often members of this group were polled.
    pub fn polls(&self, group: &str) -> u64 {
        self.lock().groups.get(group).map_or(0, |group| group.polls)
    }

    /// How often members of this group began to read.
    pub fn starts(&self, group: &str) -> u64 {
        self.lock().groups.get(group).map_or(0, |group| group.starts)
    }

    /// How many readers were opened: on Kafka each is a consumer of its own.
    pub fn readers(&self) -> u64 {
        self.lock().readers
    }

    /// Sets a group's offset from outside.
    pub fn set_committed(&self, group: &str, partition: &Partition, position: u64) {
        self.store_committed(group, partition, Committed { position, note: None });
    }

    pub(super) fn store_committed(&self, group: &str, partition: &Partition, committed: Committed) {
        self.lock().groups.entry(group.to_owned()).or_default().committed.insert(partition.clone(), committed);
    }

    pub fn committed_now(&self, group: &str, partition: &Partition) -> Option<u64> {
        self.committed_with_note(group, partition).map(|committed| committed.position)
    }

    pub fn committed_with_note(&self, group: &str, partition: &Partition) -> Option<Committed> {
        self.lock().groups.get(group).and_then(|group| group.committed.get(partition).cloned())
    }

    pub fn end(&self, partition: &Partition) -> u64 {
        self.lock().parts.get(partition).map_or(0, |part| part.slots.len() as u64)
    }

    /// How many members the group has.
    pub fn members(&self, group: &str) -> usize {
        self.lock().groups.get(group).map_or(0, Group::size)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn up(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.check_up()?;
        Ok(state)
    }
}

impl State {
    pub(super) fn check_up(&mut self) -> Result<()> {
        if self.away == 0 {
            return Ok(());
        }
        self.away -= 1;
        Err(Error::Away("told to be".to_owned()))
    }

    /// What can be read now; `None` when there is nothing new.
    pub(super) fn read(&self, partition: &Partition, cursor: &mut Cursor, max: usize) -> Result<Option<Batch>> {
        let empty = Part::default();
        let part = self.parts.get(partition).unwrap_or(&empty);
        let end = part.slots.len() as u64;
        if cursor.from_beginning && cursor.position < part.start {
            cursor.position = part.start;
        }
        if cursor.position < part.start || cursor.position > end {
            let partition = partition.to_string();
            return Err(Error::OutOfRange { partition, position: cursor.position, start: part.start, end });
        }
        let readable = part.slots[cursor.position as usize..].iter().flatten();
        let records: Vec<Record> = readable.take(max.max(1)).cloned().collect();
        let Some(last) = records.last() else {
            if cursor.end_told && cursor.position == end {
                return Ok(None);
            }
            (cursor.position, cursor.end_told) = (end, true);
            return Ok(Some(Batch { records, position: end, at_end: true }));
        };
        cursor.from_beginning = false;
        cursor.position = last.offset + 1;
        let at_end = !self.as_kafka && part.slots[cursor.position as usize..].iter().all(Option::is_none);
        if at_end {
            cursor.position = end;
        }
        cursor.end_told = at_end;
        Ok(Some(Batch { records, position: cursor.position, at_end }))
    }
}

impl Cursor {
    pub(super) fn new(position: u64) -> Self {
        Self { position, from_beginning: position == 0, end_told: false }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        drop(self.up()?);
        let count = records.len() as u64;
        let first = self.write(partition, records, false);
        Ok((first..first + count).collect())
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        let state = self.up()?;
        Ok(state
            .parts
            .get(partition)
            .map_or(Bounds { start: 0, end: 0 }, |part| Bounds { start: part.start, end: part.slots.len() as u64 }))
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        drop(self.up()?);
        Ok(self.records(partition).iter().find(|record| record.timestamp_ms >= timestamp_ms).map(|record| record.offset))
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.up()?.readers += 1;
        Ok(Box::new(MemoryReader { log: self.clone(), partition: partition.clone(), cursor: Cursor::new(from) }))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        let [topic] = topics else {
            return Err(Error::Invalid("this log's members read one topic".to_owned()));
        };
        drop(self.up()?);
        Ok(Box::new(MemoryMember::join(self.clone(), group, Partition::only(topic))))
    }

    async fn writer(&self, _id: &str) -> Result<Box<dyn Writer>> {
        Err(Error::Invalid("this log has no transactional writers: use `MemoryLog::write`".to_owned()))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        drop(self.up()?);
        Ok(self.committed_with_note(group, partition))
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        Ok(self.up()?.groups.get(group).map(Group::size))
    }

    async fn reconcile_topics(&self, _specs: &[TopicSpec], _apply: bool) -> Result<Vec<TopicChange>> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct MemoryReader {
    log: MemoryLog,
    partition: Partition,
    cursor: Cursor,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        let mut changes = self.log.changes();
        let waited = task::timeout(wait, async {
            loop {
                changes.mark_unchanged();
                if let Some(batch) = self.log.up()?.read(&self.partition, &mut self.cursor, max)? {
                    return Ok(batch);
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        let ended = waited.await;
        ended.unwrap_or_else(|| Ok(Batch { records: Vec::new(), position: self.cursor.position, at_end: false }))
    }

    fn position(&self) -> u64 {
        self.cursor.position
    }

    async fn seek(&mut self, offset: u64) -> Result<()> {
        self.cursor = Cursor::new(offset);
        Ok(())
    }
}
