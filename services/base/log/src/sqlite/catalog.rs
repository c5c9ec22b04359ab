//! The topics and partitions of the file, as every part of the process sees them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::{Row, SqliteConnection};
use tokio::sync::watch;

use super::fault;
use crate::error::{Error, Result};
use crate::record::{Bounds, Partition};
use crate::topic::{Topic, TopicSpec};

/// Offsets use the lower 47 bits of a record's id, partitions the upper 16.
const OFFSET_BITS: u32 = 47;

/// One partition. Its end is published here after each commit: that is how readers are woken.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) partition: Partition,
    pub(super) id: i64,
    pub(super) end: watch::Sender<u64>,
    start: AtomicU64,
    spec: Arc<RwLock<TopicSpec>>,
}

impl Part {
    pub(super) fn bounds(&self) -> Bounds {
        // The start first: it never passes an end that is read later.
        let start = self.start();
        Bounds { start, end: *self.end.borrow() }
    }

    pub(super) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(super) fn move_start(&self, start: u64) {
        self.start.fetch_max(start, Ordering::AcqRel);
    }

    pub(super) fn spec(&self) -> TopicSpec {
        self.spec.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The id of the record at this offset.
    pub(super) fn record(&self, offset: u64) -> i64 {
        (self.id << OFFSET_BITS) | offset as i64
    }
}

/// The offset within a record's id.
pub(super) fn offset(record: i64) -> u64 {
    (record & ((1 << OFFSET_BITS) - 1)) as u64
}

#[derive(Debug)]
struct TopicEntry {
    spec: Arc<RwLock<TopicSpec>>,
    parts: Vec<Arc<Part>>,
}

#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: RwLock<HashMap<Topic, TopicEntry>>,
}

impl Catalog {
    /// Adds what the file holds and is not known yet; takes over altered specs.
    pub(super) async fn load(&self, connection: &mut SqliteConnection) -> Result<()> {
        let rows = sqlx::query(
            "SELECT t.name, t.spec, p.id, p.number, p.start, p.next FROM topic t JOIN partition p ON p.topic = t.id ORDER BY t.id, p.number",
        )
        .fetch_all(connection)
        .await
        .map_err(fault::classify)?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let topic = Topic::new(row.get::<&str, _>("name"));
            let spec: TopicSpec = serde_json::from_str(row.get("spec"))
                .map_err(|error| Error::Fatal(format!("the settings of topic `{topic}` cannot be read: {error}")))?;
            let entry =
                topics.entry(topic.clone()).or_insert_with(|| TopicEntry { spec: Arc::new(RwLock::new(spec.clone())), parts: Vec::new() });
            *entry.spec.write().unwrap_or_else(PoisonError::into_inner) = spec;
            let number = row.get::<i64, _>("number") as u32;
            if entry.parts.len() as u32 == number {
                entry.parts.push(Arc::new(Part {
                    partition: Partition::new(topic, number),
                    id: row.get("id"),
                    end: watch::Sender::new(row.get::<i64, _>("next") as u64),
                    start: AtomicU64::new(row.get::<i64, _>("start") as u64),
                    spec: entry.spec.clone(),
                }));
            }
        }
        Ok(())
    }

    pub(super) fn part(&self, partition: &Partition) -> Result<Arc<Part>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let entry = topics.get(&partition.topic).ok_or_else(|| Error::NoSuchTopic(partition.topic.to_string()))?;
        entry.parts.get(partition.number as usize).cloned().ok_or_else(|| {
            Error::Invalid(format!("`{partition}` does not exist: topic `{}` has {} partitions", partition.topic, entry.parts.len()))
        })
    }

    pub(super) fn parts(&self, topic: &Topic) -> Result<Vec<Arc<Part>>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map(|entry| entry.parts.clone()).ok_or_else(|| Error::NoSuchTopic(topic.to_string()))
    }

    pub(super) fn all_parts(&self) -> Vec<Arc<Part>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flat_map(|entry| entry.parts.iter().cloned()).collect()
    }

    pub(super) fn spec(&self, topic: &Topic) -> Option<TopicSpec> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map(|entry| entry.spec.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_id_holds_its_offset() {
        let id = (3_i64 << OFFSET_BITS) | 77;
        assert_eq!(offset(id), 77);
        assert_eq!(offset((65_535_i64 << OFFSET_BITS) | ((1 << OFFSET_BITS) - 1)), (1 << OFFSET_BITS) - 1);
    }
}
