//! Appends: records are queued in order and their acknowledgements awaited in order.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, Producer as _};

use super::config::Config;
use super::context::Quiet;
use super::source::Closing;
use super::{convert, fault};
use crate::error::{Error, Result};
use crate::metrics;
use crate::record::{NewRecord, Partition};

pub(super) type Producer = FutureProducer<Quiet>;

pub(super) fn producer(config: &ClientConfig) -> Result<Producer> {
    FutureProducer::from_config_and_context(config, Quiet).map_err(|error| fault::classify("cannot make a producer", &error))
}

/// The one producer of plain appends.
pub(super) struct Appender {
    config: ClientConfig,
    timeout: Duration,
    producer: Mutex<Closing<Producer>>,
}

impl Appender {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let timeout = config.request_timeout;
        let config = config.producer();
        let producer = Mutex::new(Closing::new(producer(&config)?));
        Ok(Self { config, timeout, producer })
    }

    pub(super) async fn append(&self, partition: &Partition, records: &[NewRecord]) -> Result<Vec<u64>> {
        let watch = Stopwatch::start();
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner).peek().clone();
        match deliver(&producer, partition, records, self.timeout).await {
            Ok(offsets) => {
                metrics::appended(metrics::KAFKA, 1, records.len(), records.iter().map(convert::bytes).sum());
                metrics::committed(metrics::KAFKA, watch.elapsed());
                Ok(offsets)
            }
            Err(error) => {
                metrics::retry(metrics::KAFKA, metrics::CAUSE_AWAY);
                if fault::is_unknown_topic(&error) {
                    return Err(Error::NoSuchTopic(partition.topic.to_string()));
                }
                let error = fault::classify(&format!("append to `{partition}`"), &error);
                // An idempotent producer that lost track of its sequence is of no more use; its successor is.
                if producer.client().fatal_error().is_some() || matches!(error, Error::Fenced(_)) {
                    self.replace()?;
                    return Err(Error::Away(error.to_string()));
                }
                Err(error)
            }
        }
    }

    fn replace(&self) -> Result<()> {
        let successor = Closing::new(producer(&self.config)?);
        *self.producer.lock().unwrap_or_else(PoisonError::into_inner) = successor;
        Ok(())
    }
}

/// The offsets of all records once all are acknowledged.
pub(super) async fn deliver(producer: &Producer, partition: &Partition, records: &[NewRecord], timeout: Duration) -> KafkaResult<Vec<u64>> {
    let watch = Stopwatch::start();
    let mut pending: VecDeque<DeliveryFuture> = VecDeque::new();
    let mut offsets = Vec::with_capacity(records.len());
    for record in records {
        loop {
            match producer.send_result(convert::new_record(partition, record)) {
                Ok(delivery) => break pending.push_back(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) if watch.elapsed() < timeout => {
                    match pending.pop_front() {
                        Some(delivery) => offsets.push(acknowledged(delivery).await?),
                        // Others fill the queue.
                        None => task::sleep(Duration::from_millis(5)).await,
                    }
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
    for delivery in pending {
        offsets.push(acknowledged(delivery).await?);
    }
    Ok(offsets)
}

async fn acknowledged(delivery: DeliveryFuture) -> KafkaResult<u64> {
    match delivery.await {
        Ok(Ok(delivery)) => Ok(delivery.offset as u64),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}
