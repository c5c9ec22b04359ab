//! What the cases have in common: topics, records, reading until a condition holds.

use std::time::Duration;

use bytes::Bytes;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::{PATIENCE, World};
use crate::port::{Event, Log, Member, Reader};
use crate::record::{NewRecord, Partition, Record};
use crate::topic::{Topic, TopicSpec};

/// A short wait: long enough for one call, short enough to look at the clock in between.
pub(super) const STEP: Duration = Duration::from_millis(500);

pub(super) fn spec(topic: &Topic, partitions: u32) -> TopicSpec {
    TopicSpec::new(topic.to_string(), partitions)
}

pub(super) async fn create(world: &impl World, spec: TopicSpec) -> Topic {
    world.log().reconcile_topics(std::slice::from_ref(&spec), true).await.expect("the topic is created");
    Topic::new(spec.name)
}

/// A topic of one partition.
pub(super) async fn single(world: &impl World, name: &str) -> Partition {
    Partition::only(&create(world, spec(&world.topic(name), 1)).await)
}

pub(super) fn record(key: &str, value: &str) -> NewRecord {
    NewRecord {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..NewRecord::default()
    }
}

pub(super) fn records<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<NewRecord> {
    values.into_iter().map(|value| record(value, value)).collect()
}

pub(super) fn numbered(name: &str, range: std::ops::Range<usize>) -> Vec<NewRecord> {
    range.map(|n| record(name, &format!("{name}-{n}"))).collect()
}

pub(super) fn text(bytes: &Option<Bytes>) -> &str {
    bytes.as_ref().map_or("", |bytes| std::str::from_utf8(bytes).expect("text"))
}

pub(super) fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| text(&record.value).to_owned()).collect()
}

/// All records, once there are at least so many: a commit may be acknowledged before readers may see what it committed.
pub(super) async fn read_all(log: &dyn Log, partition: &Partition, count: usize) -> Vec<Record> {
    let watch = Stopwatch::start();
    loop {
        let records = read_to_end(log, partition).await;
        if records.len() >= count {
            return records;
        }
        assert!(watch.elapsed() < PATIENCE, "{} of {count} records came", records.len());
        task::sleep(STEP / 50).await;
    }
}

pub(super) async fn read_to_end(log: &dyn Log, partition: &Partition) -> Vec<Record> {
    let mut reader = log.reader(partition, 0).await.expect("a reader");
    until_end(&mut *reader).await
}

pub(super) async fn until_end(reader: &mut dyn Reader) -> Vec<Record> {
    let watch = Stopwatch::start();
    let mut records = Vec::new();
    loop {
        let batch = reader.read(1_000, STEP).await.expect("a batch");
        assert_eq!(batch.position, reader.position());
        records.extend(batch.records);
        if batch.at_end {
            return records;
        }
        assert!(watch.elapsed() < PATIENCE, "the end was not reached; {} records so far", records.len());
    }
}

/// Reads until so many records are there.
pub(super) async fn read_count(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let watch = Stopwatch::start();
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(reader.read(count - records.len(), STEP).await.expect("a batch").records);
        assert!(watch.elapsed() < PATIENCE, "{} of {count} records came", records.len());
    }
    records
}

/// The first event that is not idleness; every revocation on the way is released.
pub(super) async fn event(member: &mut dyn Member) -> Event {
    let watch = Stopwatch::start();
    loop {
        match member.next(1_000, STEP).await.expect("an event") {
            Event::Idle => assert!(watch.elapsed() < PATIENCE, "no event came"),
            event => return event,
        }
    }
}

/// Waits until so many partitions are assigned.
pub(super) async fn assigned(member: &mut dyn Member, count: usize) -> Vec<Partition> {
    let watch = Stopwatch::start();
    let mut partitions = Vec::new();
    while partitions.len() < count {
        match member.next(1_000, STEP).await.expect("an event") {
            Event::Assigned(new) => partitions.extend(new),
            Event::Idle => {}
            other => panic!("{other:?} came before all partitions were assigned"),
        }
        assert!(watch.elapsed() < PATIENCE, "{} of {count} partitions were assigned", partitions.len());
    }
    partitions.sort();
    partitions
}

/// Reads with a member until so many records are there.
pub(super) async fn member_records(member: &mut dyn Member, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        match event(member).await {
            Event::Records { batch, .. } => records.extend(batch.records),
            other => panic!("{other:?} instead of records"),
        }
    }
    records
}
