//! Questions about topics, offsets and groups. librdkafka's calls block, so they are made elsewhere and end in time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loki_runtime::task;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset};

use super::config::Config;
use super::context::Context;
use super::source::{Closing, Source};
use super::{convert, fault};
use crate::error::{Error, Result};
use crate::record::{Bounds, Committed, Partition};
use crate::topic::Topic;

pub(super) struct Questions {
    /// Made anew when it knows less than there is.
    source: Mutex<Arc<Closing<Source>>>,
    /// Of that one.
    config: ClientConfig,
    /// Consumers of the groups that were asked about.
    of_groups: Mutex<HashMap<String, Arc<Closing<Source>>>>,
    timeout: Duration,
    /// Partition counts, which never change.
    counts: Mutex<HashMap<Topic, u32>>,
}

/// What of a topic is never changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) partitions: u32,
    pub(super) replication: u32,
}

/// Runs a blocking call.
pub(super) async fn blocking<T: Send + 'static>(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    task::spawn_blocking(name, work).await.map_err(|error| Error::Away(format!("{name} was interrupted: {error}")))
}

impl Questions {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let (config, timeout) = (config.reader(), config.request_timeout);
        let source = Mutex::new(Arc::new(Closing::new(Source::open(&config)?)));
        Ok(Self { source, config, of_groups: Mutex::default(), timeout, counts: Mutex::default() })
    }

    /// `NoSuchTopic` or `Invalid` unless it exists.
    pub(super) async fn expect(&self, partition: &Partition) -> Result<()> {
        let count = self.partitions(&partition.topic).await?;
        if partition.number < count {
            return Ok(());
        }
        Err(Error::Invalid(format!("`{partition}` does not exist: topic `{}` has {count} partitions", partition.topic)))
    }

    /// How many partitions a topic has.
    pub(super) async fn partitions(&self, topic: &Topic) -> Result<u32> {
        if let Some(count) = self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(topic) {
            return Ok(*count);
        }
        let count = self.shape(topic).await?.partitions;
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.clone(), count);
        Ok(count)
    }

    /// Asks the cluster.
    pub(super) async fn shape(&self, topic: &Topic) -> Result<Shape> {
        let asked = topic.clone();
        let answer = self.ask("kafka.metadata", move |consumer, timeout| {
            let metadata = consumer.fetch_metadata(Some(asked.as_str()), timeout)?;
            let Some(found) = metadata.topics().iter().find(|found| found.name() == asked.as_str()) else { return Ok(None) };
            match found.error().map(RDKafkaErrorCode::from) {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
                None => {
                    let partitions = found.partitions();
                    let replication = partitions.first().map_or(0, |partition| partition.replicas().len() as u32);
                    Ok(Some(Shape { partitions: partitions.len() as u32, replication }))
                }
            }
        });
        answer.await?.filter(|shape| shape.partitions > 0).ok_or_else(|| Error::NoSuchTopic(topic.to_string()))
    }

    /// Forgets what it knew: the topic may have been made again.
    pub(super) fn forget(&self, topic: &Topic) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    /// The consumer is one of committed records, so the broker answers with the last stable offset instead of the high watermark.
    pub(super) async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        let asked = partition.clone();
        self.ask_of(partition, "kafka.bounds", move |consumer, timeout| {
            let (start, end) = consumer.fetch_watermarks(asked.topic.as_str(), asked.number as i32, timeout)?;
            Ok(Bounds { start: start as u64, end: end as u64 })
        })
        .await
    }

    pub(super) async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        let asked = partition.clone();
        self.ask_of(partition, "kafka.offset_at", move |consumer, timeout| {
            // Negative times are names of offsets in the protocol.
            let list = convert::at(&asked, Offset::Offset(timestamp_ms.max(0)))?;
            let found = consumer.offsets_for_times(list, timeout)?;
            match found.elements().first().map(|element| (element.error(), element.offset())) {
                Some((Err(error), _)) => Err(error),
                Some((Ok(()), Offset::Offset(offset))) => Ok(Some(offset as u64)),
                _ => Ok(None),
            }
        })
        .await
    }

    /// Checks a place to begin at: 0 means the start, wherever that is now.
    pub(super) async fn place(&self, partition: &Partition, from: u64) -> Result<u64> {
        let bounds = self.bounds(partition).await?;
        if from == 0 {
            return Ok(bounds.start);
        }
        if from < bounds.start || from > bounds.end {
            return Err(out_of_range(partition, from, bounds));
        }
        Ok(from)
    }

    /// The error for a position that the broker refused.
    pub(super) async fn refused(&self, partition: &Partition, position: u64) -> Error {
        match self.bounds(partition).await {
            Ok(bounds) => out_of_range(partition, position, bounds),
            Err(error) => error,
        }
    }

    /// What a group committed. Only a consumer of that group may ask; it does not join, and is kept: who asks once asks again.
    pub(super) async fn committed(&self, config: &Config, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        let source = self.of_group(config, group)?;
        let asked = partition.clone();
        Ok(self
            .ask_with(&source, "kafka.committed", move |consumer, timeout| {
                let list = consumer.committed_offsets(convert::list([&asked]), timeout)?;
                match list.elements().first() {
                    Some(element) => element.error().map(|()| convert::committed(element)),
                    None => Ok(None),
                }
            })
            .await?)
    }

    pub(super) async fn members(&self, group: &str) -> Result<Option<usize>> {
        let asked = group.to_owned();
        self.ask("kafka.members", move |consumer, timeout| {
            let list = consumer.fetch_group_list(Some(&asked), timeout)?;
            Ok(list.groups().iter().find(|found| found.name() == asked).map(|found| found.members().len()))
        })
        .await
    }

    fn of_group(&self, config: &Config, group: &str) -> Result<Arc<Closing<Source>>> {
        let mut kept = self.of_groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = kept.get(group) {
            return Ok(source.clone());
        }
        let source = Arc::new(Closing::new(Source::open(&config.member(group))?));
        kept.insert(group.to_owned(), source.clone());
        Ok(source)
    }

    async fn ask<T: Send + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T> {
        Ok(self.ask_with(&self.source(), name, question).await?)
    }

    /// About a partition that the broker has. A client may have been told otherwise by a broker that had stood still, and believes that until its
    /// knowledge is a quarter of an hour old, while a new one asks: so the next question is asked by a new one.
    async fn ask_of<T: Send + 'static>(
        &self,
        partition: &Partition,
        name: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T> {
        self.expect(partition).await?;
        let source = self.source();
        let answer = self.ask_with(&source, name, question).await;
        if matches!(&answer, Err(Failed::Kafka(_, error)) if fault::is_unknown_topic(error)) {
            self.forget(&partition.topic);
            let mut now = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            // of many that are told the same, one makes it
            if Arc::ptr_eq(&now, &source) {
                *now = Arc::new(Closing::new(Source::open(&self.config)?));
            }
        }
        Ok(answer?)
    }

    async fn ask_with<T: Send + 'static>(
        &self,
        source: &Closing<Source>,
        name: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> std::result::Result<T, Failed> {
        let (consumer, timeout) = (source.peek().consumer().clone(), self.timeout);
        let answer = blocking(name, move || question(&consumer, timeout)).await?;
        // Nobody else takes its log lines and connection errors; the answer tells what matters.
        let _told = source.peek().serve();
        answer.map_err(|error| Failed::Kafka(name, error))
    }

    fn source(&self) -> Arc<Closing<Source>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a question has no answer.
enum Failed {
    /// What was asked, and what the client says.
    Kafka(&'static str, KafkaError),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Kafka(name, error) => fault::classify(name, &error),
            Failed::Other(error) => error,
        }
    }
}

fn out_of_range(partition: &Partition, position: u64, bounds: Bounds) -> Error {
    Error::OutOfRange { partition: partition.to_string(), position, start: bounds.start, end: bounds.end }
}
