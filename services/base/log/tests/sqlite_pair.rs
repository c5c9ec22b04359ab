//! The embedded log's two files are one log.

use std::time::Duration;

use bytes::Bytes;
use loki_log::sqlite::{Options, SqlitePair};
use loki_log::{Class, Event, Log, NewRecord, Partition, Topic, TopicSpec};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { retention_ms: Some(7 * DAY_MS), ..TopicSpec::new(name, partitions) }
}

async fn open(directory: &std::path::Path) -> SqlitePair {
    let pair = SqlitePair::open(Options::new(directory), vec![Topic::new("samples")]).await.unwrap();
    pair.reconcile_topics(&[spec("commands", 1), spec("samples", 3)], true).await.unwrap();
    pair
}

fn record(text: &'static str) -> Vec<NewRecord> {
    vec![NewRecord { value: Some(Bytes::from_static(text.as_bytes())), ..NewRecord::default() }]
}

#[tokio::test]
async fn each_topic_lies_in_its_file_and_both_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let (commands, samples) = (Topic::new("commands"), Topic::new("samples"));
    let pair = open(directory.path()).await;
    pair.append(&Partition::only(&commands), record("asked")).await.unwrap();
    pair.append(&Partition::new(samples.clone(), 2), record("measured")).await.unwrap();
    pair.close().await;
    assert!(directory.path().join("control.db").is_file() && directory.path().join("samples.db").is_file());

    let pair = open(directory.path()).await;
    assert!(pair.reconcile_topics(&[spec("commands", 1), spec("samples", 3)], false).await.unwrap().is_empty());
    for (partition, text) in [(Partition::only(&commands), "asked"), (Partition::new(samples.clone(), 2), "measured")] {
        assert_eq!(pair.bounds(&partition).await.unwrap().end, 1);
        let batch = pair.reader(&partition, 0).await.unwrap().read(10, Duration::from_secs(5)).await.unwrap();
        assert_eq!(batch.records[0].value.as_deref(), Some(text.as_bytes()));
        assert_eq!(pair.offset_at(&partition, 0).await.unwrap(), Some(0));
    }
    // more than one partition: a file with the other's topics only would say that there are none
    let error = pair.append(&Partition::new(samples, 3), record("lost")).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    pair.close().await;
}

#[tokio::test]
async fn groups_are_of_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let (commands, samples) = (Topic::new("commands"), Topic::new("samples"));
    let pair = open(directory.path()).await;
    let error = pair.member("both", &[commands.clone(), samples.clone()]).await.map(drop).unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    for (group, topic, count) in [("sink", &samples, 3), ("decider", &commands, 1)] {
        assert_eq!(pair.members(group).await.unwrap(), None);
        let mut member = pair.member(group, std::slice::from_ref(topic)).await.unwrap();
        assert_eq!(pair.members(group).await.unwrap(), Some(1));
        let Event::Assigned(partitions) = member.next(1, Duration::from_secs(5)).await.unwrap() else { panic!("nothing is assigned") };
        assert_eq!(partitions.len(), count);
        member.commit(&partitions[0], 0, None).await.unwrap();
        assert_eq!(pair.committed(group, &partitions[0]).await.unwrap().unwrap().position, 0);
    }
    pair.close().await;
}

#[tokio::test]
async fn one_process_has_both() {
    let directory = tempfile::tempdir().unwrap();
    let pair = open(directory.path()).await;
    let error = SqlitePair::open(Options::new(directory.path()), Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    pair.close().await;
    open(directory.path()).await.close().await;
}
