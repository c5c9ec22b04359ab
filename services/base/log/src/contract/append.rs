//! Appends: order, offsets, content, limits, durability.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use loki_runtime::task;

use super::World;
use super::given::{create, numbered, read_all, read_to_end, record, records, single, spec, text, values};
use crate::error::{Class, Error};
use crate::record::{NewRecord, Partition};
use crate::topic::{Cleanup, Timestamp};

pub async fn offsets_count_up_in_the_order_of_the_append(world: &impl World) {
    let partition = single(world, "order").await;
    let log = world.log();
    assert_eq!(log.append(&partition, records(["a", "b"])).await.unwrap(), [0, 1]);
    assert_eq!(log.append(&partition, records(["c"])).await.unwrap(), [2]);
    assert_eq!(log.append(&partition, vec![]).await.unwrap(), Vec::<u64>::new());
    assert_eq!(log.append(&partition, numbered("n", 0..1_000)).await.unwrap(), (3..1_003).collect::<Vec<u64>>());
    let read = read_to_end(&*log, &partition).await;
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), (0..1_003).collect::<Vec<u64>>());
    assert_eq!(values(&read[..3]), ["a", "b", "c"]);
    assert_eq!(values(&read[3..]), (0..1_000).map(|n| format!("n-{n}")).collect::<Vec<_>>());
}

pub async fn concurrent_appends_keep_their_own_order(world: &impl World) {
    let partition = single(world, "concurrent").await;
    let appenders: Vec<_> = (0..8)
        .map(|appender| {
            let (log, partition) = (world.log(), partition.clone());
            task::spawn("appender", async move {
                let mut told = BTreeMap::new();
                for call in 0..10 {
                    let batch = numbered(&format!("{appender}"), call * 5..call * 5 + 5);
                    let expected: Vec<_> = batch.iter().map(|record| text(&record.value).to_owned()).collect();
                    let offsets = log.append(&partition, batch).await.unwrap();
                    assert!(offsets.is_sorted(), "{offsets:?}");
                    told.extend(offsets.into_iter().zip(expected));
                }
                told
            })
        })
        .collect();
    let mut told = BTreeMap::new();
    for appender in appenders {
        told.extend(appender.await.unwrap());
    }
    assert_eq!(told.len(), 400, "no offset was given twice");
    let read: BTreeMap<_, _> =
        read_to_end(&*world.log(), &partition).await.into_iter().map(|record| (record.offset, text(&record.value).to_owned())).collect();
    assert_eq!(read, told, "each record is where its appender was told");
}

pub async fn a_record_comes_back_byte_for_byte(world: &impl World) {
    let partition = single(world, "values").await;
    let large: Bytes = (0..900 * 1024).map(|n| (n % 251) as u8).collect();
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let written = vec![
        NewRecord::default(),
        NewRecord { key: Some(Bytes::new()), value: Some(Bytes::new()), ..NewRecord::default() },
        NewRecord { key: Some(Bytes::from_static(b"k")), value: None, ..NewRecord::default() },
        NewRecord { key: None, value: Some(Bytes::from_static(&[0, 0xff, 0])), ..NewRecord::default() },
        NewRecord {
            key: Some(Bytes::from_static(&[0xff, 0xfe])),
            value: Some(large),
            headers: vec![header("twice", b"1"), header("empty", b""), header("twice", &[0, 0xff])],
            timestamp_ms: None,
        },
    ];
    world.log().append(&partition, written.clone()).await.unwrap();
    let read = read_to_end(&*world.log(), &partition).await;
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(&written) {
        assert_eq!((&read.key, &read.value, &read.headers), (&written.key, &written.value, &written.headers));
        assert_eq!(read.partition, partition);
    }
    assert_eq!(read[4].header("twice").unwrap(), &Bytes::from_static(&[0, 0xff]), "a later header replaces an earlier one");
    assert_eq!(read[4].header("absent"), None);
}

pub async fn a_record_over_the_limit_is_too_large(world: &impl World) {
    let partition = single(world, "large").await;
    let log = world.log();
    let large = || vec![record("k", "small"), record("k", &"x".repeat((1 << 20) + 1))];
    let error = log.append(&partition, large()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 1_048_576, .. }), "{error}");
    assert_eq!(error.class(), Class::Invalid);
    let mut writer = log.writer(world.topic("large-writer").as_str()).await.unwrap();
    writer.append(&partition, vec![record("k", "before")]).await.unwrap();
    let error = writer.append(&partition, large()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    writer.append(&partition, vec![record("k", "after")]).await.unwrap();
    writer.commit(None).await.unwrap();
    assert_eq!(values(&read_all(&*log, &partition, 2).await), ["before", "after"], "the call had no effect, the transaction goes on");
}

pub async fn a_compacted_topic_wants_keys(world: &impl World) {
    let topic = create(world, crate::TopicSpec { cleanup: Cleanup::Compact, ..spec(&world.topic("keys"), 1) }).await;
    let partition = Partition::only(&topic);
    let error = world.log().append(&partition, vec![NewRecord { key: None, ..record("", "v") }]).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert_eq!(read_to_end(&*world.log(), &partition).await, []);
}

pub async fn an_unknown_topic_is_named(world: &impl World) {
    let topic = world.topic("nowhere");
    let partition = Partition::only(&topic);
    let log = world.log();
    let of_append = log.append(&partition, records(["a"])).await.unwrap_err();
    let of_bounds = log.bounds(&partition).await.unwrap_err();
    for error in [of_append, of_bounds] {
        assert!(matches!(&error, Error::NoSuchTopic(name) if name == topic.as_str()), "{error}");
    }
    let beyond = Partition::new(single(world, "somewhere").await.topic, 7);
    assert_eq!(log.append(&beyond, records(["a"])).await.unwrap_err().class(), Class::Invalid);
}

pub async fn times_are_given_by_the_log_or_kept(world: &impl World) {
    let dated = |value: &str| NewRecord { timestamp_ms: Some(1_000_000_000_000), ..record("k", value) };
    let by_log = single(world, "by-log").await;
    let log = world.log();
    log.append(&by_log, vec![dated("a")]).await.unwrap();
    world.pass(Duration::from_millis(20)).await;
    log.append(&by_log, vec![dated("b")]).await.unwrap();
    let read = read_to_end(&*log, &by_log).await;
    assert!(read[0].timestamp_ms > 1_000_000_000_000, "the log's own time: {}", read[0].timestamp_ms);
    assert!(read[1].timestamp_ms >= read[0].timestamp_ms + 20);

    let kept = create(world, crate::TopicSpec { timestamp: Timestamp::Create, ..spec(&world.topic("kept"), 1) }).await;
    let kept = Partition::only(&kept);
    log.append(&kept, vec![dated("a"), record("k", "b")]).await.unwrap();
    let kept = read_to_end(&*log, &kept).await;
    assert_eq!(kept[0].timestamp_ms, 1_000_000_000_000);
    assert!(kept[1].timestamp_ms >= read[1].timestamp_ms, "without a time it is that of the append");
    // who wrote it may have had another clock
    let ahead = kept[1].timestamp_ms + 86_400_000;
    log.append(&kept[0].partition, vec![NewRecord { timestamp_ms: Some(ahead), ..record("k", "c") }]).await.unwrap();
    assert_eq!(read_to_end(&*log, &kept[0].partition).await[2].timestamp_ms, ahead);
}

pub async fn what_was_acknowledged_survives_reopening(world: &impl World) {
    let partition = single(world, "survives").await;
    world.log().append(&partition, numbered("before", 0..100)).await.unwrap();
    let mut writer = world.log().writer(world.topic("survivor").as_str()).await.unwrap();
    writer.append(&partition, records(["committed"])).await.unwrap();
    writer.commit(None).await.unwrap();
    writer.append(&partition, records(["never committed"])).await.unwrap();
    drop(writer);
    let end = world.log().bounds(&partition).await.unwrap().end;
    world.reopen().await;
    let log = world.log();
    assert!(log.bounds(&partition).await.unwrap().end >= end);
    // Fences the lost writer, which would otherwise hold the end back for its transaction's timeout.
    let mut writer = log.writer(world.topic("survivor").as_str()).await.unwrap();
    writer.append(&partition, records(["after"])).await.unwrap();
    writer.commit(None).await.unwrap();
    let read = values(&read_all(&*log, &partition, 102).await);
    let expected: Vec<_> = (0..100).map(|n| format!("before-{n}")).chain(["committed".to_owned(), "after".to_owned()]).collect();
    assert_eq!(read, expected);
}
