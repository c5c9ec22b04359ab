//! What is written to and read from a topic's partition.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::topic::Topic;

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Topic,
    pub number: u32,
}

impl Partition {
    pub fn new(topic: Topic, number: u32) -> Self {
        Self { topic, number }
    }

    /// Partition 0: commands, outcomes and facts have no other.
    pub fn only(topic: &Topic) -> Self {
        Self::new(topic.clone(), 0)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.number)
    }
}

/// A record to append. `value: None` removes its key from a compacted topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
    /// Milliseconds since 1970. `None`: the time of the append. Topics with log-append time ignore it.
    pub timestamp_ms: Option<i64>,
}

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: Partition,
    pub offset: u64,
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
}

impl Record {
    /// The value of the last header of this name (a later one replaces an earlier one).
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What one read gave.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In offset order; offsets may have gaps (compaction, transaction markers).
    pub records: Vec<Record>,
    /// The next offset to be read, markers counted: where a reader that starts again would go on.
    pub position: u64,
    /// The end was reached: at that moment nothing readable lay at or after `position`.
    pub at_end: bool,
}

/// `start`: the oldest offset still kept. `end`: one past the newest that a reader of committed records can see, markers counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub start: u64,
    pub end: u64,
}

/// The longest note, in bytes. Kafka's brokers allow four times that by default (`offset.metadata.max.bytes`).
pub const NOTE_BYTES_MAX: usize = 1024;

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub position: u64,
    /// What the member that committed it had to say.
    pub note: Option<String>,
}

/// A note as it is kept: an empty one is none.
pub(crate) fn check_note(note: Option<&str>) -> Result<Option<String>> {
    match note.filter(|note| !note.is_empty()) {
        Some(note) if note.len() > NOTE_BYTES_MAX => {
            Err(Error::Invalid(format!("a note of {} bytes is over the limit of {NOTE_BYTES_MAX}: shorten it", note.len())))
        }
        note => Ok(note.map(str::to_owned)),
    }
}

/// A consumer group as a writer needs it to commit an offset in its transaction. Made by `Member::group`, read only by the same adapter.
#[derive(Clone)]
pub struct Group {
    pub name: String,
    pub(crate) metadata: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name).finish_non_exhaustive()
    }
}
