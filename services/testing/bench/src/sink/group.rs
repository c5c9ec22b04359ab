//! A consumer group seen from outside, and a bare consumer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use loki_runtime::task;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Positions of a topic's partitions, in their order.
pub(super) type Positions = Vec<u64>;

/// A group of one topic, of which this is no member.
#[derive(Clone)]
pub(super) struct Group {
    topic: String,
    consumer: Arc<BaseConsumer>,
}

impl Group {
    pub(super) fn new(brokers: &str, topic: &str, group: &str) -> Result<Self> {
        Ok(Self { topic: topic.to_owned(), consumer: Arc::new(config(brokers, group).create()?) })
    }

    /// Sets where it goes on. It must have no members.
    pub(super) async fn set(&self, positions: &[u64]) -> Result<()> {
        let (list, consumer) = (list(&self.topic, positions)?, self.consumer.clone());
        let committed = task::spawn_blocking("commit", move || consumer.commit(&list, CommitMode::Sync));
        committed.await?.context("the group's position was not set")
    }

    /// Whether it has committed all before these positions.
    pub(super) async fn has_passed(&self, positions: &[u64]) -> Result<bool> {
        let (list, consumer) = (list(&self.topic, positions)?, self.consumer.clone());
        let asked = task::spawn_blocking("committed", move || consumer.committed_offsets(list, ANSWER_WITHIN));
        let committed = asked.await?.context("the group's position is not known")?;
        let reached = |partition: i32, wanted: u64| {
            let found = committed.find_partition(&self.topic, partition).map(|element| element.offset());
            matches!(found, Some(Offset::Offset(offset)) if offset.unsigned_abs() >= wanted)
        };
        Ok((0..).zip(positions).all(|(partition, wanted)| reached(partition, *wanted)))
    }
}

/// Takes all records between two positions and does nothing with them; gives their bytes.
pub(super) fn drain(brokers: &str, topic: &str, from: &[u64], to: &[u64]) -> Result<usize> {
    let consumer: BaseConsumer = config(brokers, "bare").create()?;
    consumer.assign(&list(topic, from)?)?;
    let mut left: u64 = from.iter().zip(to).map(|(from, to)| to - from).sum();
    let mut bytes = 0;
    while left > 0 {
        let message = consumer.poll(ANSWER_WITHIN).context("nothing more comes")??;
        bytes += message.payload_len();
        left -= 1;
    }
    Ok(bytes)
}

fn config(brokers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group).set("enable.auto.commit", "false");
    config
}

fn list(topic: &str, positions: &[u64]) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in (0..).zip(positions) {
        list.add_partition_offset(topic, partition, Offset::Offset(i64::try_from(*position)?))?;
    }
    Ok(list)
}
