//! One partition: its records, what of them is committed, and where its markers are.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::record::{Batch, Bounds, NewRecord, Partition, Record};
use crate::topic::{Cleanup, Timestamp, TopicSpec};

/// Kafka's default for `delete.retention.ms`.
const DELETE_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

/// Of a transaction, among all that there were.
pub(super) type Number = u64;

/// A place that was given away: `None` is a marker, or a record that was undone or cleaned away.
#[derive(Debug, Clone)]
struct Slot {
    record: Option<Record>,
    /// It is not committed yet.
    by: Option<Number>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) partition: Partition,
    start: u64,
    slots: Vec<Slot>,
    /// Transactions with records here, by their first one.
    open: BTreeMap<Number, u64>,
    /// When the cleaner has first seen a removal.
    removals: HashMap<u64, i64>,
}

/// A place from which a partition is read on.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) position: u64,
    from_beginning: bool,
    end_told: bool,
}

impl Cursor {
    pub(super) fn new(position: u64) -> Self {
        Self { position, from_beginning: position == 0, end_told: false }
    }
}

impl Part {
    pub(super) fn new(partition: Partition) -> Self {
        Self { partition, start: 0, slots: Vec::new(), open: BTreeMap::new(), removals: HashMap::new() }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { start: self.start, end: self.end() }
    }

    /// Where the first open transaction begins: nobody reads beyond.
    fn end(&self) -> u64 {
        self.open.values().min().copied().unwrap_or(self.next())
    }

    fn next(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn check(&self, spec: &TopicSpec, records: &[NewRecord]) -> Result<()> {
        for record in records {
            if spec.cleanup == Cleanup::Compact && record.key.is_none() {
                return Err(Error::Invalid(format!("topic `{}` is compacted: each record needs a key", spec.name)));
            }
            let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
            let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            let bytes = length(&record.key) + length(&record.value) + headers;
            let limit = spec.max_message_bytes as usize;
            if bytes > limit {
                return Err(Error::TooLarge { bytes, limit });
            }
        }
        Ok(())
    }

    /// Checked ones. `by`: within a transaction.
    pub(super) fn append(&mut self, spec: &TopicSpec, records: Vec<NewRecord>, by: Option<Number>, now_ms: i64) -> Vec<u64> {
        let first = self.next();
        for (offset, NewRecord { key, value, headers, timestamp_ms }) in (first..).zip(records) {
            let timestamp_ms = match spec.timestamp {
                Timestamp::Create => timestamp_ms.unwrap_or(now_ms),
                Timestamp::Append => now_ms,
            };
            let record = Record { partition: self.partition.clone(), offset, timestamp_ms, key, value, headers };
            self.slots.push(Slot { record: Some(record), by });
        }
        if let Some(by) = by.filter(|_| self.next() > first) {
            self.open.entry(by).or_insert(first);
        }
        (first..self.next()).collect()
    }

    /// Ends a transaction, with a marker behind it.
    pub(super) fn finish(&mut self, number: Number, is_committed: bool) {
        let Some(first) = self.open.remove(&number) else { return };
        for slot in self.slots.iter_mut().skip(first as usize).filter(|slot| slot.by == Some(number)) {
            slot.by = None;
            if !is_committed {
                slot.record = None;
            }
        }
        self.mark();
    }

    pub(super) fn mark(&mut self) {
        self.slots.push(Slot { record: None, by: None });
    }

    /// Undoes what is not committed.
    pub(super) fn abort_all(&mut self) {
        for number in self.open.keys().copied().collect::<Vec<_>>() {
            self.finish(number, false);
        }
    }

    pub(super) fn committed(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.slots[..self.end() as usize].iter().skip(self.start as usize).filter_map(|slot| slot.record.as_ref())
    }

    pub(super) fn check_place(&self, position: u64, from_beginning: bool) -> Result<()> {
        let Bounds { start, end } = self.bounds();
        if (position < start && !from_beginning) || position > end {
            return Err(Error::OutOfRange { partition: self.partition.to_string(), position, start, end });
        }
        Ok(())
    }

    /// What can be read now; `None`: there is nothing new. With `as_kafka` the end is told in a batch of its own, and markers are counted only there.
    pub(super) fn read(&self, cursor: &mut Cursor, max: usize, as_kafka: bool) -> Result<Option<Batch>> {
        self.check_place(cursor.position, cursor.from_beginning)?;
        cursor.position = cursor.position.max(self.start);
        let end = self.end();
        let rest = |from: u64| self.slots[from as usize..end as usize].iter().filter_map(|slot| slot.record.as_ref());
        let records: Vec<Record> = rest(cursor.position).take(max.max(1)).cloned().collect();
        let Some(last) = records.last() else {
            if cursor.end_told && cursor.position == end {
                return Ok(None);
            }
            (cursor.position, cursor.end_told) = (end, true);
            return Ok(Some(Batch { records, position: end, at_end: true }));
        };
        cursor.from_beginning = false;
        cursor.position = last.offset + 1;
        cursor.end_told = !as_kafka && rest(cursor.position).next().is_none();
        if cursor.end_told {
            cursor.position = end;
        }
        Ok(Some(Batch { records, position: cursor.position, at_end: cursor.end_told }))
    }

    /// Compaction and retention, as Kafka's cleaner does them: the newest record is never touched.
    pub(super) fn clean(&mut self, spec: &TopicSpec, now_ms: i64) {
        let before = |retention_ms: Option<u64>| now_ms.saturating_sub_unsigned(retention_ms.unwrap_or(0));
        let newest = self.end().saturating_sub(1);
        match spec.cleanup {
            Cleanup::Delete => {
                let Some(oldest_ms) = spec.retention_ms.map(|_| before(spec.retention_ms)) else { return };
                let kept = self.committed().find(|record| record.timestamp_ms >= oldest_ms).map_or(newest, |record| record.offset);
                self.trim(kept.min(newest).max(self.start));
            }
            Cleanup::Compact => {
                let young_ms = before(spec.min_compaction_lag_ms);
                let limit =
                    self.committed().find(|record| record.timestamp_ms > young_ms).map_or(newest, |record| record.offset.min(newest));
                self.compact_to(limit, spec, now_ms);
            }
        }
    }

    fn compact_to(&mut self, limit: u64, spec: &TopicSpec, now_ms: i64) {
        let expires_ms = spec.delete_retention_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(DELETE_RETENTION_MS);
        let mut seen = std::collections::HashSet::new();
        for slot in self.slots[..limit as usize].iter_mut().rev() {
            let Some(record) = &slot.record else { continue };
            let is_first = record.key.as_ref().is_some_and(|key| seen.insert(key.clone()));
            let is_expired = record.value.is_none() && {
                let first_seen_ms = *self.removals.entry(record.offset).or_insert(now_ms);
                first_seen_ms.saturating_add(expires_ms) <= now_ms
            };
            if !is_first || is_expired {
                slot.record = None;
            }
        }
    }

    /// Removes what does not fit, whatever its age.
    pub(super) fn keep(&mut self, keep: impl Fn(&Record) -> bool) {
        for slot in &mut self.slots {
            if slot.record.as_ref().is_some_and(|record| !keep(record)) {
                slot.record = None;
            }
        }
    }

    /// Removes everything before `start`, as retention does.
    pub(super) fn trim(&mut self, start: u64) {
        self.start = start;
        for slot in &mut self.slots[..start as usize] {
            slot.record = None;
        }
    }

    /// Goes back to an older copy that ended there; with 0 it is made anew.
    pub(super) fn truncate(&mut self, end: u64) {
        self.slots.truncate(end as usize);
        self.start = self.start.min(end);
        self.open.retain(|_, first| *first < end);
    }
}
