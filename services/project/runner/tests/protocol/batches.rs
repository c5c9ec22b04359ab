//! Batches: whole commands, in order, and what stops them.

use bytes::Bytes;
use loki_log::NewRecord;
use loki_runner::{Mode, Phase};

use crate::world::{GROUP, World, eventually};

#[tokio::test]
async fn commands_are_never_cut() {
    let mut world = World::new();
    (world.config.batch_records_max, world.config.rebuild_records_max) = (5, 5);
    for n in 0..40 {
        world.append_as(n..n + 1 + n % 13, n % 3 != 0, false);
    }
    let running = world.run();
    world.caught_up(&running).await;
    for n in 0..40 {
        world.append_as(n..n + 1 + n % 13, n % 3 != 0, false);
    }
    world.caught_up(&running).await;
    assert!(world.store.written().iter().all(|batch| batch.3 <= 13), "at most the limit, or one command");
    running.stop().await;
}

#[tokio::test]
async fn a_command_whose_last_fact_was_compacted_away_is_closed_by_what_follows() {
    let mut world = World::new();
    for n in 0..50 {
        world.append([n, n + 1, n + 2]);
    }
    // Each key's newest record is kept: the flagged ones of most commands are gone.
    let mut newest = std::collections::HashMap::new();
    for record in world.log.records(&world.facts) {
        newest.insert(record.key.clone(), record.offset);
    }
    world.log.compact(&world.facts, |record| newest[&record.key] == record.offset);
    let running = world.run();
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn transaction_markers_are_counted() {
    let mut world = World::as_kafka();
    for n in 0..20 {
        world.append_as([n, n + 1], n % 2 == 0, true);
    }
    let running = world.run();
    world.caught_up(&running).await;
    for n in 0..20 {
        world.append_as([n, n + 1], n % 2 == 0, true);
        world.caught_up(&running).await;
    }
    eventually("the group's offset counts them too", || world.log.committed_now(GROUP, &world.facts) == Some(world.end())).await;
    running.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_the_partition() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    world.append_many(2);
    let broken = world.end();
    world.log.write(&world.facts, vec![NewRecord { key: Some(Bytes::from_static(b"node/x")), ..NewRecord::default() }], false);
    world.append_many(2);
    let snapshot = running.until("stopped", |snapshot| snapshot.phase == Phase::Stopped).await;
    assert_eq!(snapshot.position(), Some(broken), "everything before it is applied");
    let why = running.why_not_ready().expect("not ready");
    assert!(why.contains(&format!("record {broken} of `facts[0]` cannot be read")), "{why}");
    let (polls, written) = (world.log.polls(GROUP), world.store.written().len());
    eventually("still a member", || world.log.polls(GROUP) > polls + 2).await;
    assert_eq!((world.store.written().len(), world.log.members_now(GROUP)), (written, 1));
    eventually("the position is kept", || world.log.committed_now(GROUP, &world.facts) == Some(broken)).await;
    running.stop().await;
    let running = world.run();
    running.until("stopped again", |snapshot| snapshot.phase == Phase::Stopped).await;
    assert_eq!(world.store.stored().map(|stored| stored.position), Some(broken));
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_begins_without_its_id_stops_the_partition() {
    let mut world = World::without_id(loki_runner::testing::MemoryLog::simple(false));
    world.append(0..1_001);
    let running = world.run();
    let snapshot = running.until("stopped", |snapshot| matches!(snapshot.mode, Mode::Stopped { .. })).await;
    assert!(snapshot.trouble.is_some_and(|told| told.text.contains("none of the first 1000 records is the log's id")));
    running.stop().await;
}

#[tokio::test]
async fn a_command_without_end_stops_the_partition() {
    let mut world = World::new();
    world.config.command_records_max = 50;
    world.config.batch_records_max = 20;
    world.append(0..50);
    let running = world.run();
    world.caught_up(&running).await;
    let before = world.end();
    world.append(0..51);
    let snapshot = running.until("stopped", |snapshot| snapshot.phase == Phase::Stopped).await;
    assert_eq!(snapshot.position(), Some(before));
    assert!(running.why_not_ready().is_some_and(|why| why.contains("more than 50 records")));
    running.stop().await;
}
