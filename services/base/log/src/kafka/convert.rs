//! Records and partitions, theirs and ours.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use crate::record::{Committed, NewRecord, Partition, Record};
use crate::topic::Topic;

/// Stands for the name of a header that is no text.
const NO_TEXT: &str = "\u{fffd}";
/// About what the headers of a fact take.
const HEADERS_BYTES: usize = 128;

/// Copies a message out of librdkafka's memory, into one piece: key, value and headers are slices of it.
pub(super) fn record(partition: &Partition, message: &BorrowedMessage<'_>) -> Record {
    let mut piece = BytesMut::with_capacity(message.payload_len() + message.key_len() + HEADERS_BYTES);
    let mut copy = |bytes: &[u8]| {
        let start = piece.len();
        piece.extend_from_slice(bytes);
        start..piece.len()
    };
    let key = message.key().map(&mut copy);
    let value = message.payload().map(&mut copy);
    let headers = message.headers().map_or_else(Vec::new, |headers| names_and_values(headers, copy));
    let piece = piece.freeze();
    Record {
        partition: partition.clone(),
        offset: message.offset() as u64,
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: key.map(|range| piece.slice(range)),
        value: value.map(|range| piece.slice(range)),
        headers: headers.into_iter().map(|(name, range)| (name, piece.slice(range))).collect(),
    }
}

/// rdkafka panics over a name that is not UTF-8, which any producer may send: nobody shall stop a reader with it. Such a header has lost its
/// name and its value here.
fn names_and_values(headers: &BorrowedHeaders, mut copy: impl FnMut(&[u8]) -> Range<usize>) -> Vec<(String, Range<usize>)> {
    let mut one = |index| match catch_unwind(AssertUnwindSafe(|| headers.get(index))) {
        Ok(header) => (header.key.to_owned(), copy(header.value.unwrap_or_default())),
        Err(_) => (NO_TEXT.to_owned(), copy(&[])),
    };
    (0..headers.count()).map(&mut one).collect()
}

pub(super) fn new_record<'a>(partition: &'a Partition, record: &'a NewRecord) -> FutureRecord<'a, [u8], [u8]> {
    let headers = (!record.headers.is_empty()).then(|| {
        record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_ref()) })
        })
    });
    FutureRecord {
        topic: partition.topic.as_str(),
        partition: Some(partition.number as i32),
        payload: record.value.as_deref(),
        key: record.key.as_deref(),
        timestamp: record.timestamp_ms,
        headers,
    }
}

pub(super) fn bytes(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len) + headers
}

pub(super) fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|element| Partition::new(Topic::new(element.topic()), element.partition() as u32)).collect()
}

pub(super) fn list<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(partition.topic.as_str(), partition.number as i32);
    }
    list
}

/// One partition with an offset, or with a time where one is asked for.
pub(super) fn at(partition: &Partition, offset: Offset) -> rdkafka::error::KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(partition.topic.as_str(), partition.number as i32, offset)?;
    Ok(list)
}

/// A position to be committed.
pub(super) fn position(partition: &Partition, position: u64, note: Option<&str>) -> rdkafka::error::KafkaResult<TopicPartitionList> {
    let list = at(partition, Offset::Offset(position as i64))?;
    if let (Some(note), Some(mut element)) = (note, list.elements().pop()) {
        element.set_metadata(note);
    }
    Ok(list)
}

/// What was committed; `None` for nothing.
pub(super) fn committed(element: &TopicPartitionListElem<'_>) -> Option<Committed> {
    let Offset::Offset(position) = element.offset() else { return None };
    // rdkafka panics over a note that is not UTF-8, which another tool may have left: it says nothing to us
    let note = catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default();
    Some(Committed { position: position as u64, note: (!note.is_empty()).then_some(note) })
}
