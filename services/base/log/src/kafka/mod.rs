//! Kafka through rdkafka.
//!
//! How it keeps the promise of [`crate::port`]:
//!
//! - **Order and durability.** Appends go through one idempotent producer with `acks=all`, are queued in order and answered when the broker has
//!   acknowledged each. A producer that has lost its sequence is replaced, and the caller told to try again. So is whoever's record librdkafka
//!   counts as delivered without an offset, because one behind it was: a broker that has no sequence of the producer yet takes the second of two
//!   requests also where it has refused the first, as one does that begins to lead the partition between the two.
//! - **Transactions.** A writer is a transactional producer. Its appends return the offsets that the broker gave; a commit is called only when
//!   every acknowledgement has been taken, because librdkafka's binding else waits 100 ms. Its calls block, so they run on other threads.
//!   Errors become `Away`, `Aborted` or `Fenced` by librdkafka's own verdict (retriable, abortable, fatal); where it has none the writer is
//!   fenced, because then only a restore is sure to be right.
//! - **Reading.** Consumers see committed records only. Each partition that is read has a queue of its own and callbacks wake the reader when
//!   it is no longer empty: nobody polls, no thread of ours waits. The end of a partition comes as an event of that queue; the position
//!   at that moment is librdkafka's own, which counts the transaction markers that gave no record.
//! - **Bounds.** The end for a reader of committed records is the last stable offset. A watermark query gives exactly that when the client that
//!   asks is a consumer of committed records, and the high watermark otherwise; here it is such a consumer.
//! - **Members** are consumers of the classic protocol with the cooperative-sticky assignor. The rebalance callback assigns nothing: an
//!   assignment is acknowledged with an empty list, so that the group goes on, and `start` adds each partition with its offset. A
//!   revocation is acknowledged by `release`; until then nobody else gets the partition. librdkafka before 2.14.2 may end the process with
//!   SIGSEGV where a member leaves while its coordinator is away (`rd_kafka_cgrp_handle_LeaveGroup`): then what was not committed is read again
//!   by the next, as after any kill.
//! - **Time.** Every call ends within about `request_timeout`, with `Away` when the broker does not answer.

mod admin;
mod append;
mod config;
mod context;
mod convert;
mod fault;
mod feed;
mod limits;
mod member;
mod questions;
mod reader;
mod source;
mod topics;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;

use self::append::Appender;
pub use self::config::Config;
use self::limits::Limits;
use self::member::KafkaMember;
use self::questions::Questions;
use self::reader::KafkaReader;
use self::writer::KafkaWriter;
use crate::error::{Class, Result};
use crate::port::{Log, Member, Reader, Writer};
use crate::record::{Bounds, Committed, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// A Kafka cluster as a log. Cheap to clone.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    questions: Questions,
    limits: Limits,
    appender: Appender,
}

impl KafkaLog {
    /// Makes the clients. Waits for no broker: calls say `Away` as long as none answers. Must be called within the asynchronous runtime.
    pub fn connect(config: Config) -> Result<Self> {
        config.check()?;
        let questions = Questions::new(&config)?;
        let appender = Appender::new(&config)?;
        Ok(Self { shared: Arc::new(Shared { config, questions, limits: Limits::default(), appender }) })
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let shared = &self.shared;
        shared.questions.expect(partition).await?;
        shared.limits.check(&shared.config, partition, &records).await?;
        let result = shared.appender.append(partition, &records).await;
        if let Err(error) = &result
            && error.class() == Class::Invalid
        {
            // What is remembered of the topic was wrong: it was made again, or altered.
            shared.questions.forget(&partition.topic);
            shared.limits.forget(&partition.topic);
        }
        result
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        self.shared.questions.bounds(partition).await
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        self.shared.questions.offset_at(partition, timestamp_ms).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.shared.questions.expect(partition).await?;
        Ok(Box::new(KafkaReader::open(self.shared.clone(), &self.shared.config.reader(), partition.clone(), from)?))
    }

    async fn frugal_reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.shared.questions.expect(partition).await?;
        Ok(Box::new(KafkaReader::open(self.shared.clone(), &self.shared.config.frugal_reader(), partition.clone(), from)?))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        for topic in topics {
            self.shared.questions.partitions(topic).await?;
        }
        Ok(Box::new(KafkaMember::join(self.shared.clone(), group, topics)?))
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(KafkaWriter::open(self.shared.clone(), id).await?))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        self.shared.questions.expect(partition).await?;
        self.shared.questions.committed(&self.shared.config, group, partition).await
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        self.shared.questions.members(group).await
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        topics::reconcile(&self.shared, specs, apply).await
    }
}
