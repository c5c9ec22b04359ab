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

/// A record without an offset counts as delivered because one behind it was. That proves nothing where a broker that has just become a leader
/// refused the request of the first and took that of the second: it knew of no sequence to miss anything in. Told as one that is not there, it is
/// appended again.
async fn acknowledged(delivery: DeliveryFuture) -> KafkaResult<u64> {
    match delivery.await {
        Ok(Ok(delivery)) => {
            u64::try_from(delivery.offset).map_err(|_| KafkaError::MessageProduction(RDKafkaErrorCode::OutOfOrderSequenceNumber))
        }
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::topic::Topic;

    /// A broker that has just become a partition's leader refuses a request and takes the one behind it; to librdkafka the refused one then counts
    /// as delivered.
    #[tokio::test]
    async fn what_has_no_place_in_the_log_is_not_acknowledged() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("commands", 1, 1).unwrap();
        cluster.broker_round_trip_time(-1, Duration::from_millis(100)).unwrap();
        let producer = producer(&Config::new(cluster.bootstrap_servers()).producer()).unwrap();
        let partition = Partition::only(&Topic::new("commands"));
        let records = [NewRecord { value: Some(Bytes::from_static(b"x")), ..NewRecord::default() }];
        let append = || deliver(&producer, &partition, &records, Duration::from_secs(30));
        let mut places = BTreeSet::from_iter(append().await.unwrap());
        for _ in 0..20 {
            cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
            // once the first is under way, or the next turn's is
            let later = async {
                task::sleep(Duration::from_millis(30)).await;
                append().await
            };
            let (refused, taken) = tokio::join!(append(), later);
            for place in [&refused, &taken].into_iter().flatten().flatten() {
                assert!(*place < 100 && places.insert(*place), "{place} of {places:?}");
            }
            if let Err(error) = refused {
                assert!(matches!(fault::classify("it", &error), Error::Away(_)) && taken.is_ok(), "{error} {taken:?}");
                return;
            }
        }
        panic!("no request came while another was under way");
    }
}
