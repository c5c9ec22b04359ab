//! Compaction and retention.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use super::given::{STEP, create, read_to_end, record, records, spec, text, values};
use super::{FILLER, PATIENCE, World};
use crate::error::Error;
use crate::port::Log;
use crate::record::{NewRecord, Partition, Record};
use crate::topic::{Cleanup, TopicSpec};

/// A compacted topic that is cleaned as soon as its log can.
async fn compacted(world: &impl World, name: &str, change: impl FnOnce(&mut TopicSpec)) -> Partition {
    let mut spec = TopicSpec {
        cleanup: Cleanup::Compact,
        segment_ms: Some(200),
        min_compaction_lag_ms: Some(0),
        delete_retention_ms: Some(3_600_000),
        ..spec(&world.topic(name), 1)
    };
    change(&mut spec);
    let topic = create(world, spec).await;
    world.hurry_cleanup(&topic).await;
    Partition::only(&topic)
}

fn removal(key: &str) -> NewRecord {
    NewRecord { value: None, ..record(key, "") }
}

async fn kept(log: &dyn Log, partition: &Partition) -> Vec<Record> {
    let mut records = read_to_end(log, partition).await;
    records.retain(|record| text(&record.key) != FILLER);
    records
}

/// The same while retention goes on: the start may move between the opening of a reader and its first read.
async fn kept_meanwhile(log: &dyn Log, partition: &Partition) -> Vec<Record> {
    let watch = Stopwatch::start();
    let mut reader = log.reader(partition, 0).await.expect("a reader");
    let mut records = Vec::new();
    loop {
        match reader.read(1_000, STEP).await {
            Ok(batch) => {
                records.extend(batch.records);
                if batch.at_end {
                    records.retain(|record| text(&record.key) != FILLER);
                    return records;
                }
            }
            Err(Error::OutOfRange { .. }) => {
                reader = log.reader(partition, 0).await.expect("a reader");
                records.clear();
            }
            Err(error) => panic!("{error}"),
        }
        assert!(watch.elapsed() < PATIENCE, "the end was not reached");
    }
}

/// Cleans until the records are so many.
async fn clean_until(world: &impl World, partition: &Partition, count: usize) -> Vec<Record> {
    let watch = Stopwatch::start();
    loop {
        world.clean(partition).await;
        let records = kept(&*world.log(), partition).await;
        if records.len() <= count {
            return records;
        }
        assert!(watch.elapsed() < PATIENCE, "{} records are left: {:?}", records.len(), values(&records));
    }
}

pub async fn compaction_keeps_the_newest_of_each_key(world: &impl World) {
    let partition = compacted(world, "compacted", |_| ()).await;
    let log = world.log();
    for round in 0..5 {
        let batch = ["a", "b", "c"].map(|key| record(key, &format!("{key}{round}")));
        log.append(&partition, batch.into()).await.unwrap();
    }
    log.append(&partition, vec![removal("b"), record("d", "d0")]).await.unwrap();
    let end = log.bounds(&partition).await.unwrap().end;
    world.pass(Duration::from_millis(300)).await;
    let left = clean_until(world, &partition, 4).await;
    let left: Vec<_> = left.iter().map(|record| (record.offset, text(&record.key), text(&record.value))).collect();
    assert_eq!(left, [(12, "a", "a4"), (14, "c", "c4"), (15, "b", ""), (16, "d", "d0")], "offsets stay, the removal is still told");
    assert!(log.bounds(&partition).await.unwrap().end >= end);
    assert_eq!(log.bounds(&partition).await.unwrap().start, 0, "compaction does not move the start");

    // Once more, over what was compacted before.
    let next = log.append(&partition, vec![record("a", "a5"), record("b", "b5"), record("e", "e0")]).await.unwrap();
    assert!(next[0] >= end, "no offset is given twice");
    world.pass(Duration::from_millis(300)).await;
    let left = clean_until(world, &partition, 5).await;
    assert_eq!(values(&left), ["c4", "d0", "a5", "b5", "e0"], "a key that comes back replaces its removal");

    let mut reader = log.reader(&partition, 3).await.unwrap();
    let first = super::given::read_count(&mut *reader, 1).await;
    assert_eq!(values(&first), ["c4"], "a reader may start where a record is gone");
}

pub async fn removals_go_after_their_time(world: &impl World) {
    let partition = compacted(world, "removals", |spec| spec.delete_retention_ms = Some(500)).await;
    let log = world.log();
    log.append(&partition, records(["a", "b"])).await.unwrap();
    log.append(&partition, vec![removal("a"), record("z", "z")]).await.unwrap();
    world.pass(Duration::from_millis(300)).await;
    clean_until(world, &partition, 3).await;
    world.pass(Duration::from_millis(600)).await;
    let left = clean_until(world, &partition, 2).await;
    assert_eq!(values(&left), ["b", "z"], "key and removal are gone");
    log.append(&partition, records(["a"])).await.unwrap();
    assert_eq!(values(&kept(&*log, &partition).await), ["b", "z", "a"]);
}

pub async fn young_records_are_not_compacted(world: &impl World) {
    let partition = compacted(world, "young", |spec| spec.min_compaction_lag_ms = Some(3_600_000)).await;
    let done = compacted(world, "young-other", |_| ()).await;
    let log = world.log();
    for partition in [&partition, &done] {
        for value in ["1", "2", "3"] {
            log.append(partition, vec![record("k", value)]).await.unwrap();
        }
        log.append(partition, vec![record("last", "last")]).await.unwrap();
    }
    world.pass(Duration::from_millis(300)).await;
    // The other topic says that the cleaner has run.
    world.clean(&partition).await;
    clean_until(world, &done, 2).await;
    world.clean(&partition).await;
    assert_eq!(values(&kept(&*log, &partition).await), ["1", "2", "3", "last"]);
}

pub async fn retention_moves_the_start(world: &impl World) {
    let kept_for_ever = TopicSpec { segment_ms: Some(200), ..spec(&world.topic("retained"), 1) };
    let topic = create(world, kept_for_ever.clone()).await;
    world.hurry_cleanup(&topic).await;
    let partition = Partition::only(&topic);
    let log = world.log();
    let mut stale = log.reader(&partition, 0).await.unwrap();
    log.append(&partition, records(["old-0", "old-1", "old-2"])).await.unwrap();
    assert_eq!(super::given::read_count(&mut *stale, 1).await.len(), 1);
    // only now, lest a machine that stalls removes them before they are read
    create(world, TopicSpec { retention_ms: Some(2_000), ..kept_for_ever }).await;
    world.pass(Duration::from_millis(2_500)).await;
    let watch = Stopwatch::start();
    log.append(&partition, records(["new"])).await.unwrap();
    let bounds = loop {
        world.clean(&partition).await;
        let bounds = log.bounds(&partition).await.unwrap();
        if bounds.start >= 3 {
            break bounds;
        }
        assert!(watch.elapsed() < PATIENCE, "{bounds:?}");
    };
    assert!(bounds.end >= 4);
    let left = kept_meanwhile(&*log, &partition).await;
    assert!(left.iter().all(|record| record.offset >= 3), "reading from 0 begins at the start: {left:?}");

    stale.seek(1).await.unwrap();
    let watch = Stopwatch::start();
    let error = loop {
        match stale.read(10, STEP).await {
            Err(error) => break error,
            Ok(batch) => assert!(batch.records.is_empty(), "{batch:?}"),
        }
        assert!(watch.elapsed() < PATIENCE, "a position before the start was not refused");
    };
    assert!(matches!(error, Error::OutOfRange { position: 1, .. }), "{error}");
}
