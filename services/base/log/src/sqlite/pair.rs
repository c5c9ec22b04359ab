//! Two embedded logs as one: what has to survive a power cut, and what is many.
//!
//! Each topic lies in one of the two files. A transaction, and the position that it commits, stay within the first; a group reads topics of one
//! file.

use async_trait::async_trait;

use super::{Durability, Options, SqliteLog};
use crate::error::{Error, Result};
use crate::port::{Log, Member, Reader, Writer};
use crate::record::{Bounds, Committed, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// An open pair. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlitePair {
    control: SqliteLog,
    samples: SqliteLog,
    /// The topics of the second file.
    many: Vec<Topic>,
}

impl SqlitePair {
    /// `control.db` as `options` say, and `samples.db` beside it, which has the topics `many`.
    pub async fn open(options: Options, many: Vec<Topic>) -> Result<Self> {
        let samples = Options { name: "samples", durability: Durability::Process, ..options.clone() };
        let control = SqliteLog::open(options).await?;
        match SqliteLog::open(samples).await {
            Ok(samples) => Ok(Self { control, samples, many }),
            Err(error) => {
                control.close().await;
                Err(error)
            }
        }
    }

    /// Writes what is queued and gives the directory back.
    pub async fn close(self) {
        self.samples.close().await;
        self.control.close().await;
    }

    fn of(&self, topic: &Topic) -> &SqliteLog {
        if self.many.contains(topic) { &self.samples } else { &self.control }
    }
}

#[async_trait]
impl Log for SqlitePair {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.of(&partition.topic).append(partition, records).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        self.of(&partition.topic).bounds(partition).await
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        self.of(&partition.topic).offset_at(partition, timestamp_ms).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.of(&partition.topic).reader(partition, from).await
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        let many = topics.iter().filter(|topic| self.many.contains(topic)).count();
        match many {
            0 => self.control.member(group, topics).await,
            all if all == topics.len() => self.samples.member(group, topics).await,
            _ => Err(Error::Invalid(format!("group `{group}` may not read samples together with other topics: use a group for each"))),
        }
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        self.control.writer(id).await
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        self.of(&partition.topic).committed(group, partition).await
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        Ok(match self.control.members(group).await? {
            Some(members) => Some(members),
            None => self.samples.members(group).await?,
        })
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        let (samples, control): (Vec<_>, Vec<_>) = specs.iter().cloned().partition(|spec| self.many.contains(&Topic::new(&spec.name)));
        let mut changes = self.control.reconcile_topics(&control, apply).await?;
        changes.extend(self.samples.reconcile_topics(&samples, apply).await?);
        Ok(changes)
    }
}
