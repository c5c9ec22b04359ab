//! Readers: ends, waking, seeking, bounds.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::given::{STEP, numbered, read_count, record, records, single, spec, until_end, values};
use super::{PATIENCE, World};
use crate::error::{Class, Error};
use crate::record::{NewRecord, Partition};
use crate::topic::{Timestamp, TopicSpec};

/// A wait that nothing but a wake-up ends in time.
pub(super) const LONG: Duration = Duration::from_secs(120);
/// Far more than a wake-up takes on a machine that stalls, far less than the wait that it ends.
pub(super) const AT_ONCE: Duration = Duration::from_secs(30);

pub async fn a_reader_is_told_the_end_once(world: &impl World) {
    let partition = single(world, "end").await;
    let log = world.log();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    let watch = Stopwatch::start();
    let empty = reader.read(10, LONG).await.unwrap();
    assert!(empty.at_end && empty.records.is_empty() && empty.position == 0, "{empty:?}");
    assert!(watch.elapsed() < AT_ONCE, "the end is told at once");

    log.append(&partition, records(["a", "b", "c"])).await.unwrap();
    assert_eq!(values(&read_count(&mut *reader, 2).await), ["a", "b"]);
    assert_eq!(reader.position(), 2);
    // an append may become visible in parts, each with an end of its own
    let watch = Stopwatch::start();
    let mut rest = Vec::new();
    while rest.is_empty() {
        rest = until_end(&mut *reader).await;
        assert!(watch.elapsed() < PATIENCE, "the third record did not come");
    }
    assert_eq!(values(&rest), ["c"], "the end is told again after more records");
    assert_eq!(reader.position(), log.bounds(&partition).await.unwrap().end);
    let again = reader.read(10, Duration::from_millis(100)).await.unwrap();
    assert!(again.records.is_empty() && !again.at_end, "but only once: {again:?}");
}

pub async fn a_waiting_reader_is_woken_by_an_append(world: &impl World) {
    let partition = single(world, "woken").await;
    let log = world.log();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    until_end(&mut *reader).await;
    let mut slowest = Duration::ZERO;
    for n in 0..5 {
        let appending = {
            let (log, partition) = (world.log(), partition.clone());
            task::spawn("appender", async move {
                log.append(&partition, numbered("woken", n..n + 1)).await.unwrap();
                Stopwatch::start()
            })
        };
        let batch = loop {
            let batch = reader.read(10, LONG).await.unwrap();
            if !batch.records.is_empty() {
                break batch;
            }
        };
        assert_eq!(values(&batch.records), [format!("woken-{n}")]);
        slowest = slowest.max(appending.await.unwrap().elapsed());
        until_end_is_quiet(&mut *reader).await;
    }
    assert!(slowest < AT_ONCE, "woken after {slowest:?}");
}

/// Takes the news of the end, if it has not been told with the last record.
async fn until_end_is_quiet(reader: &mut dyn crate::Reader) {
    let batch = reader.read(10, Duration::from_millis(50)).await.unwrap();
    assert!(batch.records.is_empty(), "{batch:?}");
}

pub async fn an_empty_wait_ends_in_time(world: &impl World) {
    let partition = single(world, "quiet").await;
    let mut reader = world.log().reader(&partition, 0).await.unwrap();
    until_end(&mut *reader).await;
    let watch = Stopwatch::start();
    let batch = reader.read(10, Duration::from_millis(200)).await.unwrap();
    let waited = watch.elapsed();
    assert!(batch.records.is_empty() && !batch.at_end, "{batch:?}");
    assert!(waited >= Duration::from_millis(150) && waited < AT_ONCE, "waited {waited:?}");
}

pub async fn a_dropped_read_loses_nothing(world: &impl World) {
    let partition = single(world, "dropped").await;
    let log = world.log();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    let appending = {
        let (log, partition) = (log.clone(), partition.clone());
        task::spawn("appender", async move {
            for n in 0..50 {
                log.append(&partition, numbered("d", n * 10..n * 10 + 10)).await.unwrap();
            }
        })
    };
    let mut read = Vec::new();
    let watch = Stopwatch::start();
    let mut calls = 0_u64;
    while read.len() < 500 {
        calls += 1;
        // Dropped at many points of its work, but now and then it has its time: to begin may take longer than all that.
        let limit = if calls.is_multiple_of(16) { STEP } else { Duration::from_micros((calls * 7919) % 3_000) };
        if let Some(batch) = task::timeout(limit, reader.read(7, STEP)).await {
            read.extend(batch.unwrap().records);
        }
        assert!(watch.elapsed() < PATIENCE, "{} of 500 came", read.len());
    }
    appending.await.unwrap();
    assert_eq!(values(&read), (0..500).map(|n| format!("d-{n}")).collect::<Vec<_>>());
}

pub async fn a_reader_goes_where_it_is_sent(world: &impl World) {
    let partition = single(world, "seek").await;
    let log = world.log();
    log.append(&partition, numbered("s", 0..100)).await.unwrap();
    let mut reader = log.reader(&partition, 40).await.unwrap();
    assert_eq!(values(&read_count(&mut *reader, 2).await), ["s-40", "s-41"]);
    reader.seek(7).await.unwrap();
    assert_eq!(reader.position(), 7);
    assert_eq!(values(&read_count(&mut *reader, 1).await), ["s-7"]);
    reader.seek(99).await.unwrap();
    assert_eq!(values(&until_end(&mut *reader).await), ["s-99"]);
    reader.seek(0).await.unwrap();
    assert_eq!(until_end(&mut *reader).await.len(), 100);
    reader.seek(100).await.unwrap();
    assert_eq!(until_end(&mut *reader).await, [], "the end itself is a place to be");
}

pub async fn a_time_becomes_an_offset(world: &impl World) {
    let topic = super::given::create(world, TopicSpec { timestamp: Timestamp::Create, ..spec(&world.topic("times"), 1) }).await;
    let partition = Partition::only(&topic);
    let log = world.log();
    let base = 1_700_000_000_000;
    let dated = |n: i64| NewRecord { timestamp_ms: Some(base + n * 10), ..record("k", &format!("t-{n}")) };
    for call in 0..5 {
        log.append(&partition, (call * 1_000..call * 1_000 + 1_000).map(dated).collect()).await.unwrap();
    }
    for (time, offset) in
        [(0, Some(0)), (base, Some(0)), (base + 1, Some(1)), (base + 10 * 3_333, Some(3_333)), (base + 10 * 4_999, Some(4_999))]
    {
        assert_eq!(log.offset_at(&partition, time).await.unwrap(), offset, "at {time}");
    }
    assert_eq!(log.offset_at(&partition, base + 10 * 4_999 + 1).await.unwrap(), None, "there is none yet");
}

pub async fn a_position_outside_the_log_is_refused(world: &impl World) {
    let partition = single(world, "outside").await;
    let log = world.log();
    log.append(&partition, records(["a", "b"])).await.unwrap();
    let mut reader = log.reader(&partition, 5).await.unwrap();
    let watch = Stopwatch::start();
    let error = loop {
        match reader.read(10, STEP).await {
            Err(error) => break error,
            Ok(batch) => assert!(batch.records.is_empty() && !batch.at_end, "{batch:?}"),
        }
        assert!(watch.elapsed() < PATIENCE, "no error came");
    };
    assert!(matches!(error, Error::OutOfRange { position: 5, start: 0, end: 2, .. }), "{error}");
    assert_eq!(error.class(), Class::Invalid);
    reader.seek(1).await.unwrap();
    assert_eq!(values(&read_count(&mut *reader, 1).await), ["b"], "and can be mended by a seek");
}

pub async fn bounds_follow_the_appends(world: &impl World) {
    let partition = single(world, "bounds").await;
    let log = world.log();
    let bounds = log.bounds(&partition).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (0, 0));
    log.append(&partition, numbered("b", 0..10)).await.unwrap();
    let bounds = log.bounds(&partition).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (0, 10));
}
