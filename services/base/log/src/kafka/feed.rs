//! One partition that is being read: its own queue, and the position.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::Offset;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};

use super::context::Context;
use super::source::Source;
use super::{convert, fault};
use crate::error::Error;
use crate::metrics;
use crate::record::{Batch, Partition, Record};

/// A batch stops growing here, however many records were asked for.
const MAX_BYTES: usize = 16 << 20;
/// After so many records, half a millisecond's work, whatever else the task waits for gets its turn.
const TURN: usize = 128;

pub(super) struct Feed {
    partition: Partition,
    consumer: Arc<BaseConsumer<Context>>,
    queue: PartitionQueue<Context>,
    position: u64,
    /// Taken from the queue by a call that was dropped before it had all of them.
    taken: Vec<Record>,
    bytes: usize,
    /// Came behind records that had to be delivered first.
    failed: Option<Fault>,
}

#[derive(Debug)]
pub(super) enum Fault {
    /// The position is outside the log; its bounds have to be asked for.
    OutOfRange,
    Other(Error),
}

impl Feed {
    /// Begins at an offset that lies within the log.
    pub(super) fn open(source: &Source, partition: &Partition, offset: u64) -> Result<Self, Error> {
        let failed = |error: KafkaError| fault::classify(&format!("`{partition}` cannot be read"), &error);
        let consumer = source.consumer().clone();
        // Split before it is assigned: not one record then takes the way of the shared queue, and an end of partition is known to be this
        // partition's, which the shared queue would not tell of two topics.
        let queue = consumer.split_partition_queue(partition.topic.as_str(), partition.number as i32);
        let mut queue = queue.ok_or_else(|| Error::Away(format!("`{partition}` has no queue")))?;
        queue.set_nonempty_callback(source.waker());
        let list = convert::at(partition, Offset::Offset(offset as i64)).map_err(failed)?;
        consumer.incremental_assign(&list).map_err(failed)?;
        consumer.context().started(partition);
        Ok(Self { partition: partition.clone(), consumer, queue, position: offset, taken: Vec::new(), bytes: 0, failed: None })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Stops reading, so that the partition can be opened again elsewhere.
    pub(super) fn close(self) -> Result<(), Error> {
        self.consumer.context().stopped(&self.partition);
        self.consumer
            .incremental_unassign(&convert::list([&self.partition]))
            .map_err(|error| fault::classify(&format!("`{}` cannot be let go", self.partition), &error))
    }

    /// What librdkafka has fetched already; `None` for nothing. Never waits for more, and a caller that is cancelled loses nothing.
    pub(super) async fn take(&mut self, max: usize) -> Result<Option<Batch>, Fault> {
        if let Some(fault) = self.failed.take() {
            return Err(fault);
        }
        let max = max.max(1);
        let mut at_end = false;
        while self.taken.len() < max && self.bytes < MAX_BYTES {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let record = convert::record(&self.partition, &message);
                    self.bytes += message.payload_len() + record.key.as_ref().map_or(0, Bytes::len);
                    self.position = record.offset + 1;
                    self.taken.push(record);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Transaction markers moved it without giving a record.
                    self.position = self.position.max(self.app_position());
                    at_end = true;
                    break;
                }
                Some(Err(error)) if fault::passes(&error) => {}
                Some(Err(error)) => {
                    let fault = self.fault(&error);
                    if self.taken.is_empty() {
                        return Err(fault);
                    }
                    self.failed = Some(fault);
                    break;
                }
            }
            if self.taken.len().is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
        }
        if self.taken.is_empty() && !at_end {
            return Ok(None);
        }
        // fewer may be asked for than by the call that was dropped
        let rest = self.taken.split_off(self.taken.len().min(max));
        let records = std::mem::replace(&mut self.taken, rest);
        self.bytes = 0;
        let position = match (self.taken.is_empty(), records.last()) {
            (false, Some(last)) => last.offset + 1,
            _ => self.position,
        };
        metrics::read(metrics::KAFKA, records.len());
        Ok(Some(Batch { records, position, at_end }))
    }

    fn fault(&self, error: &KafkaError) -> Fault {
        if fault::is_out_of_range(error) {
            return Fault::OutOfRange;
        }
        Fault::Other(fault::classify(&format!("`{}` cannot be read", self.partition), error))
    }

    /// Where librdkafka is, markers counted; 0 where it does not say.
    fn app_position(&self) -> u64 {
        let position = || -> KafkaResult<Option<Offset>> {
            let list = self.consumer.position()?;
            let element = list.find_partition(self.partition.topic.as_str(), self.partition.number as i32);
            Ok(element.map(|element| element.offset()))
        };
        match position() {
            Ok(Some(Offset::Offset(offset))) => offset as u64,
            _ => 0,
        }
    }
}
