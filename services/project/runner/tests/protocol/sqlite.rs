//! The same on the embedded log: transactions, restarts, compaction.

use std::sync::Arc;

use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Cleanup, Committed, Log, Partition, Timestamp, Topic, TopicSpec};
use loki_runner::testing::{MemoryStore, command, fold, log_id, node, opening};
use loki_runner::{Runner, RunnerConfig, Snapshot};
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;

use crate::world::{NAME, PATIENCE, eventually, quick};

const HOUR: i64 = 3_600_000;

fn topic() -> TopicSpec {
    TopicSpec {
        cleanup: Cleanup::Compact,
        timestamp: Timestamp::Create,
        delete_retention_ms: Some(7 * 24 * HOUR as u64),
        min_compaction_lag_ms: Some(HOUR as u64),
        ..TopicSpec::new("facts", 1)
    }
}

async fn read_all(log: &SqliteLog, facts: &Partition) -> Vec<loki_log::Record> {
    let mut reader = log.reader(facts, 0).await.unwrap();
    let mut records = Vec::new();
    loop {
        let batch = reader.read(1_000, PATIENCE).await.unwrap();
        records.extend(batch.records);
        if batch.at_end {
            return records;
        }
    }
}

#[tokio::test]
async fn a_store_follows_the_embedded_log() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Clock::system().now_ms());
    let store = MemoryStore::new();
    let facts = Partition::only(&Topic::new("facts"));
    let config = quick(RunnerConfig::new(facts.topic.clone(), facts.topic.clone(), "store"));
    let mut commands = 0;
    for round in 0..3u32 {
        let log = SqliteLog::open(Options { clock: clock.clone(), ..Options::new(directory.path()) }).await.unwrap();
        log.reconcile_topics(&[topic()], true).await.unwrap();
        let health = Health::new();
        let runner = Runner::new(store.projection(NAME), Arc::new(log.clone()), config.clone(), clock.clone(), &health);
        let (status, shutdown) = (runner.status(), Shutdown::new());
        let running = task::spawn("runner", runner.run(shutdown.clone()));
        let mut writer = log.writer("decider").await.unwrap();
        if round == 0 {
            writer.append(&facts, vec![opening(log_id(1))]).await.unwrap();
            writer.commit(None).await.unwrap();
        }
        for n in 0..300u32 {
            commands += 1;
            let changes: Vec<_> = (n..n + 10).map(|node_n| node(node_n, &format!("n{node_n}-{commands}"))).collect();
            writer.append(&facts, command(commands, &changes, true)).await.unwrap();
            if n % 10 == 9 {
                writer.commit(None).await.unwrap();
            }
        }
        let end = log.bounds(&facts).await.unwrap().end;
        eventually("everything is there", || store.stored().is_some_and(|stored| stored.position == end)).await;
        task::timeout(PATIENCE, status.until(Snapshot::is_caught_up)).await.unwrap().unwrap();
        assert_eq!(store.main().unwrap().rows, fold(&read_all(&log, &facts).await));
        assert_eq!((store.breaches(), store.swaps()), (Vec::new(), 1), "round {round}");
        shutdown.begin();
        running.await.unwrap().unwrap();
        assert_eq!(log.committed("store", &facts).await.unwrap(), Some(Committed { position: end, note: None }));
        clock.set(clock.now_ms() + 2 * HOUR);
        log.compact(clock.now_ms()).await.unwrap();
        drop(writer);
        log.close().await;
    }
    // What compaction left is enough for a new store.
    let log = SqliteLog::open(Options { clock: clock.clone(), ..Options::new(directory.path()) }).await.unwrap();
    let left = read_all(&log, &facts).await;
    assert!(left.len() < 9_000, "{} records are left", left.len());
    let fresh = MemoryStore::new();
    let runner = Runner::new(fresh.projection(NAME), Arc::new(log.clone()), config, clock, &Health::new());
    let (status, shutdown) = (runner.status(), Shutdown::new());
    let running = task::spawn("runner", runner.run(shutdown.clone()));
    task::timeout(PATIENCE, status.until(Snapshot::is_caught_up)).await.unwrap().unwrap();
    assert_eq!(fresh.main().unwrap().rows, store.main().unwrap().rows);
    assert_eq!(fresh.main().unwrap().applied, left.iter().map(|record| record.offset).collect::<Vec<_>>());
    shutdown.begin();
    running.await.unwrap().unwrap();
    log.close().await;
}
