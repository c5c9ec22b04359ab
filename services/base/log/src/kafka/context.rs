//! Callbacks of librdkafka: its log lines become ours, rebalances are handed over.

use std::collections::{BTreeSet, VecDeque};
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
    /// The partitions that librdkafka was given. Asking it for them would wait for ever once its group has ended.
    started: Mutex<BTreeSet<Partition>>,
    closing: AtomicBool,
    /// Something was acknowledged while closing.
    let_go: AtomicBool,
}

impl Context {
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn started(&self, partition: &Partition) {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(partition.clone());
    }

    pub(super) fn stopped(&self, partition: &Partition) -> bool {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).remove(partition)
    }

    /// From now on what the coordinator decides is acknowledged at once: nobody is left to ask. Nobody may poll between this and the drop of
    /// the consumer.
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
        if self.closing.load(Ordering::Acquire) {
            self.let_go(consumer);
            return;
        }
        let partitions = convert::partitions(list);
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    tracing::error!(%error, "the assignment was not acknowledged");
                }
                self.push(Change::Assigned(partitions));
            }
            _ if consumer.assignment_lost() => {
                unassign(consumer, &partitions);
                self.push(Change::Lost(partitions));
            }
            _ => self.push(Change::Revoked(partitions)),
        }
    }
}

impl Context {
    /// Once a consumer is being closed, librdkafka takes any acknowledgement for one of everything, also of what it has queued before and not
    /// told yet. The group may end right after the first: a second one could wait for ever.
    fn let_go(&self, consumer: &BaseConsumer<Self>) {
        if !self.let_go.swap(true, Ordering::AcqRel)
            && let Err(error) = consumer.incremental_unassign(&TopicPartitionList::new())
        {
            tracing::debug!(%error, "the group has ended already");
        }
    }
}

/// Acknowledges a revocation. Of the partitions only those that were started are known to librdkafka.
pub(super) fn unassign(consumer: &BaseConsumer<Context>, partitions: &[Partition]) {
    let known: Vec<_> = partitions.iter().filter(|partition| consumer.context().stopped(partition)).collect();
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
