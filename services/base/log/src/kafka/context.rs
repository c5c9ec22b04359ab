//! Callbacks of librdkafka: its log lines become ours, rebalances are handed over.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::convert;
use crate::record::Partition;

/// What the coordinator decided.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
}

/// For producers and admin clients.
#[derive(Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

/// For consumers.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Events served so far: how a poll that returns nothing is told from an empty queue.
    served: AtomicU64,
    changes: Mutex<VecDeque<Change>>,
    closing: AtomicBool,
}

impl Context {
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on a revocation is acknowledged at once: nobody is left to ask.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::AcqRel);
    }

    fn push(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count();
        log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {
        self.count();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count();
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            tracing::debug!(%error, reason, "kafka client");
        }
    }
}

impl ConsumerContext for Context {
    /// Assigns nothing. An assignment is acknowledged with an empty list, which lets the group go on; `Member::start` adds each partition with
    /// its offset. A revocation is acknowledged by `Member::release`, unless the partitions are lost anyway.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.count();
        let partitions = convert::partitions(list);
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    tracing::error!(%error, "the assignment was not acknowledged");
                }
                self.push(Change::Assigned(partitions));
            }
            _ => {
                let lost = consumer.assignment_lost();
                if lost || self.closing.load(Ordering::Acquire) {
                    unassign(consumer, &partitions);
                }
                self.push(if lost { Change::Lost(partitions) } else { Change::Revoked(partitions) });
            }
        }
    }
}

/// Acknowledges a revocation. Of the partitions only those that were started are known to librdkafka.
pub(super) fn unassign(consumer: &BaseConsumer<Context>, partitions: &[Partition]) {
    let started = match consumer.assignment() {
        Ok(list) => convert::partitions(&list),
        Err(error) => {
            tracing::error!(%error, "the assignment cannot be read");
            Vec::new()
        }
    };
    let known: Vec<_> = partitions.iter().filter(|partition| started.contains(partition)).collect();
    if let Err(error) = consumer.incremental_unassign(&convert::list(known)) {
        tracing::error!(%error, "the revocation was not acknowledged");
    }
}

fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical | Error => tracing::error!(facility, message, "librdkafka"),
        Warning => tracing::warn!(facility, message, "librdkafka"),
        Notice | Info => tracing::info!(facility, message, "librdkafka"),
        Debug => tracing::debug!(facility, message, "librdkafka"),
    }
}
