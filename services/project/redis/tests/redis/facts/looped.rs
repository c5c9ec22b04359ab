//! The loop of all projections fills it, from an embedded log.

use std::sync::Arc;
use std::time::Duration;

use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Cleanup, Log, Partition, Timestamp, Topic, TopicSpec};
use loki_redis::facts::{ServersReader, sized};
use loki_runner::testing::{command, log_id, node, opening};
use loki_runner::{Runner, RunnerConfig};
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_zookeeper::contract::{PATIENCE, World};

use super::world::Facts;
use crate::topic::until;

fn topic() -> TopicSpec {
    TopicSpec { cleanup: Cleanup::Compact, timestamp: Timestamp::Create, ..TopicSpec::new("facts", 1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_filled_followed_and_filled_again() {
    let (world, directory) = (Facts::new(), tempfile::tempdir().unwrap());
    let log = SqliteLog::open(Options::new(directory.path())).await.unwrap();
    log.reconcile_topics(&[topic()], true).await.unwrap();
    let facts = Partition::only(&Topic::new("facts"));
    let mut writer = log.writer("decider").await.unwrap();
    writer.append(&facts, vec![opening(log_id(1))]).await.unwrap();
    for number in 0..50 {
        writer.append(&facts, command(number, &[node(number as u32, &format!("n{number}"))], true)).await.unwrap();
    }
    writer.commit(None).await.unwrap();
    let config =
        RunnerConfig { check_every: Duration::from_millis(30), ..RunnerConfig::new(facts.topic.clone(), facts.topic.clone(), "redis") };
    let runner = Runner::new(world.writer(), Arc::new(log.clone()), sized(config), Clock::system(), &Health::new());
    let (status, shutdown) = (runner.status(), Shutdown::new());
    let running = task::spawn("runner", runner.run(shutdown.clone()));
    let reader = world.servers();
    let before = log.bounds(&facts).await.unwrap().end;
    reader.wait(before - 1, PATIENCE).await.unwrap();
    assert!(reader.servers("/n49", true).await.unwrap().value.is_some());
    world.empty().await;
    until("filled again", async || reader.servers("/n49", true).await.is_ok()).await;
    writer.append(&facts, command(50, &[node(50, "later")], true)).await.unwrap();
    writer.commit(None).await.unwrap();
    let end = log.bounds(&facts).await.unwrap().end;
    reader.wait(end - 1, PATIENCE).await.unwrap();
    assert!(reader.servers("/later", false).await.unwrap().value.is_some());
    assert!(status.now().is_caught_up());
    shutdown.begin();
    running.await.unwrap().unwrap();
}
