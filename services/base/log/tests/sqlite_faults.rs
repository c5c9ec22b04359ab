//! What the embedded log alone promises: one process, a bounded file, bounded transactions, a format that is known.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Class, Cleanup, Committed, Error, Event, Log, NewRecord, Partition, Record, Topic, TopicSpec};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};

fn spec(name: &str) -> TopicSpec {
    TopicSpec::new(name, 1)
}

async fn open(options: Options) -> (SqliteLog, Partition) {
    let log = SqliteLog::open(options).await.unwrap();
    log.reconcile_topics(&[spec("t")], true).await.unwrap();
    (log, Partition::only(&Topic::new("t")))
}

fn record(value: impl Into<Bytes>) -> NewRecord {
    NewRecord { key: Some(Bytes::from_static(b"k")), value: Some(value.into()), ..NewRecord::default() }
}

async fn all(log: &SqliteLog, partition: &Partition) -> Vec<Record> {
    let mut reader = log.reader(partition, 0).await.unwrap();
    let mut records = Vec::new();
    loop {
        let batch = reader.read(1_000, Duration::from_secs(10)).await.unwrap();
        records.extend(batch.records);
        if batch.at_end {
            return records;
        }
    }
}

async fn refusal(directory: &Path) -> Error {
    SqliteLog::open(Options::new(directory)).await.expect_err("it is refused")
}

#[tokio::test]
async fn a_second_opener_is_told_whom_to_ask() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = open(Options::new(directory.path())).await;
    let error = refusal(directory.path()).await;
    assert_eq!(error.class(), Class::Fatal);
    let text = error.to_string();
    assert!(text.contains("another process uses the data directory") && text.contains("API"), "{text}");
    log.close().await;
    SqliteLog::open(Options::new(directory.path())).await.expect("the directory is free again").close().await;
}

#[tokio::test]
async fn a_closed_log_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (log, partition) = open(Options::new(directory.path())).await;
    log.clone().close().await;
    let error = log.append(&partition, vec![record("late")]).await.unwrap_err();
    assert!(matches!(&error, Error::Fatal(text) if text.contains("closed")), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("control.db"), vec![7; 100_000]).unwrap();
    let error = refusal(directory.path()).await;
    assert!(matches!(&error, Error::Fatal(text) if text.contains("control.db")), "{error}");
}

/// The first builds kept positions without notes. Theirs and ours share the file in either order: an update can be taken back.
#[tokio::test]
async fn a_file_without_notes_is_used_on() {
    let directory = tempfile::tempdir().unwrap();
    let (log, partition) = open(Options::new(directory.path())).await;
    log.close().await;
    let url = format!("sqlite://{}", directory.path().join("control.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let before = "DROP TABLE committed; \
        CREATE TABLE committed (consumers TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL, \
        PRIMARY KEY (consumers, partition)) STRICT, WITHOUT ROWID;";
    sqlx::raw_sql(before).execute(&pool).await.unwrap();
    let as_before = "INSERT INTO committed (consumers, partition, position) SELECT 'g', id, ? FROM partition WHERE true \
        ON CONFLICT (consumers, partition) DO UPDATE SET position = excluded.position";
    sqlx::query(as_before).bind(7).execute(&pool).await.unwrap();
    pool.close().await;

    let (log, _) = open(Options::new(directory.path())).await;
    assert_eq!(log.committed("g", &partition).await.unwrap(), Some(Committed { position: 7, note: None }));
    let mut member = log.member("g", std::slice::from_ref(&partition.topic)).await.unwrap();
    assert!(matches!(member.next(1, Duration::from_secs(10)).await.unwrap(), Event::Assigned(_)));
    member.commit(&partition, 8, Some("away")).await.unwrap();
    assert_eq!(log.committed("g", &partition).await.unwrap(), Some(Committed { position: 8, note: Some("away".into()) }));
    log.close().await;

    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query(as_before).bind(9).execute(&pool).await.unwrap();
    pool.close().await;
    let (log, _) = open(Options::new(directory.path())).await;
    assert_eq!(log.committed("g", &partition).await.unwrap().map(|committed| committed.position), Some(9));
    log.close().await;
}

#[tokio::test]
async fn a_format_of_another_build_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = open(Options::new(directory.path())).await;
    log.close().await;
    let path = directory.path().join("control.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("PRAGMA user_version = 77").execute(&pool).await.unwrap();
    pool.close().await;
    let error = refusal(directory.path()).await;
    assert!(matches!(&error, Error::Fatal(text) if text.contains("77")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_transaction_lets_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (log, partition) = open(Options { transaction_idle: Duration::from_millis(200), ..Options::new(directory.path()) }).await;
    let mut writer = log.writer("w").await.unwrap();
    assert_eq!(writer.append(&partition, vec![record("idle")]).await.unwrap(), [0]);
    // Waits for the transaction, gets its offset.
    assert_eq!(log.append(&partition, vec![record("other")]).await.unwrap(), [0]);
    let error = writer.append(&partition, vec![record("more")]).await.unwrap_err();
    assert_eq!(error.class(), Class::Abort, "{error}");
    let error = writer.commit(None).await.unwrap_err();
    assert_eq!(error.class(), Class::Abort, "{error}");
    // a machine that stalls makes the next one idle, too
    let watch = Stopwatch::start();
    loop {
        writer.abort().await.unwrap();
        let redone = match writer.append(&partition, vec![record("redone")]).await {
            Ok(_) => writer.commit(None).await,
            Err(error) => Err(error),
        };
        match redone {
            Ok(()) => break,
            Err(error) => assert!(error.class() == Class::Abort && watch.elapsed() < Duration::from_secs(60), "{error}"),
        }
    }
    let values: Vec<_> = all(&log, &partition).await.into_iter().filter_map(|record| record.value).collect();
    assert_eq!(values, ["other", "redone"]);
    log.close().await;
}

/// Two transactions, each of which wants what the other holds: one is aborted, the other goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_wait_for_each_other_end() {
    let directory = tempfile::tempdir().unwrap();
    let (log, here) = open(Options { transaction_idle: Duration::from_millis(300), ..Options::new(directory.path()) }).await;
    log.reconcile_topics(&[spec("u")], true).await.unwrap();
    let there = Partition::only(&Topic::new("u"));
    let (mut first, mut second) = (log.writer("first").await.unwrap(), log.writer("second").await.unwrap());
    first.append(&here, vec![record("first")]).await.unwrap();
    second.append(&there, vec![record("second")]).await.unwrap();
    let (one, two) = tokio::join!(first.append(&there, vec![record("first")]), second.append(&here, vec![record("second")]));
    let aborted = [&one, &two].into_iter().filter_map(|result| result.as_ref().err()).collect::<Vec<_>>();
    assert!(!aborted.is_empty() && aborted.iter().all(|error| error.class() == Class::Abort), "{one:?} {two:?}");
    drop((first, second));
    log.append(&here, vec![record("after")]).await.unwrap();
    log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_refuses_appends_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(1_000_000);
    let options = Options { clock: clock.clone(), max_file_bytes: Some(2 << 20), ..Options::new(directory.path()) };
    let (log, partition) = open(options).await;
    let mut writer = log.writer("w").await.unwrap();
    let value = Bytes::from(vec![b'x'; 100_000]);
    let mut acknowledged = 0;
    let error = loop {
        match log.append(&partition, vec![record(value.clone())]).await {
            Ok(offsets) => {
                assert_eq!(offsets, [acknowledged]);
                acknowledged += 1;
            }
            Err(error) => break error,
        }
        assert!(acknowledged < 100, "the file never filled");
    };
    assert_eq!(error.class(), Class::Retry, "{error}");
    assert!(acknowledged > 5);
    assert_eq!(all(&log, &partition).await.len() as u64, acknowledged, "what was acknowledged is there, what was not is not");

    // A transaction keeps what it has and can be committed once there is room.
    writer.append(&partition, vec![record(value.clone())]).await.unwrap();
    let error = writer.commit(None).await.unwrap_err();
    assert_eq!(error.class(), Class::Retry, "{error}");
    log.reconcile_topics(&[TopicSpec { retention_ms: Some(1_000), ..spec("t") }], true).await.unwrap();
    clock.set(1_010_000);
    let swept = log.compact(clock.now_ms()).await.unwrap();
    assert_eq!(swept.records, acknowledged);
    writer.commit(None).await.unwrap();
    let left: Vec<_> = all(&log, &partition).await.iter().map(|record| record.offset).collect();
    assert_eq!(left, [acknowledged], "no offset is given twice");
    log.close().await;
}

/// A topic that was not compacted before may hold records without a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_can_become_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let (log, partition) = open(Options::new(directory.path())).await;
    let keyless = || NewRecord { key: None, ..record("keyless") };
    log.append(&partition, vec![keyless(), record("old"), keyless(), record("new"), record("newest")]).await.unwrap();
    log.reconcile_topics(&[TopicSpec { cleanup: Cleanup::Compact, ..spec("t") }], true).await.unwrap();
    log.append(&partition, vec![NewRecord { key: Some(Bytes::from_static(b"other")), ..record("last") }]).await.unwrap();
    assert_eq!(log.compact(0).await.unwrap().records, 4);
    let left: Vec<_> = all(&log, &partition).await.iter().map(|record| record.offset).collect();
    assert_eq!(left, [4, 5]);
    assert_eq!(log.compact(0).await.unwrap().records, 0, "nothing is left to do");
    log.close().await;
}

/// Retention runs by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go_by_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(1_000_000);
    let options = Options { clock: clock.clone(), sweep_every: Duration::from_millis(20), ..Options::new(directory.path()) };
    let (log, partition) = open(options).await;
    log.reconcile_topics(&[TopicSpec { retention_ms: Some(1_000), ..spec("t") }], true).await.unwrap();
    log.append(&partition, (0..5_000).map(|n| record(n.to_string())).collect()).await.unwrap();
    clock.set(1_010_000);
    let moved = async {
        while log.bounds(&partition).await.unwrap().start < 5_000 {
            task::sleep(Duration::from_millis(5)).await;
        }
    };
    task::timeout(Duration::from_secs(30), moved).await.expect("the start moves");
    assert_eq!(log.append(&partition, vec![record("next")]).await.unwrap(), [5_000]);
    let bounds = log.bounds(&partition).await.unwrap();
    log.close().await;
    let (log, partition) = open(Options { clock, ..Options::new(directory.path()) }).await;
    assert_eq!(log.bounds(&partition).await.unwrap(), bounds, "and is kept");
    log.close().await;
}

/// A log that is dropped without being closed gives its directory back, with what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_log_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (log, partition) = open(Options::new(directory.path())).await;
    log.append(&partition, vec![record("kept")]).await.unwrap();
    drop(log);
    let reopened = async {
        loop {
            match SqliteLog::open(Options::new(directory.path())).await {
                Ok(log) => return log,
                Err(_) => task::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let log = task::timeout(Duration::from_secs(30), reopened).await.expect("the directory becomes free");
    assert_eq!(all(&log, &partition).await.len(), 1);
    log.close().await;
}
