//! A log that fails.

use loki_runner::testing::{MemoryLog, log_id, opening};

use crate::world::{World, eventually};

#[tokio::test]
async fn a_log_away_at_the_start_is_waited_for() {
    let mut world = World::without_id(MemoryLog::simple(false));
    world.log.away(u64::MAX);
    let running = world.run();
    eventually("not ready", || running.why_not_ready().is_some_and(|why| why.contains("the log is away"))).await;
    world.log.away(0);
    world.log.write(&world.facts, vec![opening(log_id(1))], false);
    world.append_many(3);
    world.caught_up(&running).await;
    assert_eq!(running.why_not_ready(), None);
    running.stop().await;
}

#[tokio::test]
async fn any_call_of_the_log_may_fail() {
    for calls in 1..25 {
        let mut world = World::new();
        world.append_many(5);
        world.log.away(calls);
        let running = world.run();
        world.caught_up(&running).await;
        world.log.away(calls);
        world.append_many(5);
        world.caught_up(&running).await;
        world.log.away(0);
        eventually("ready", || running.why_not_ready().is_none()).await;
        assert_eq!(world.store.swaps(), 1);
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_removed_before_it_was_read_means_a_rebuild() {
    let mut world = World::new();
    world.append_many(5);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.set_away(true);
    world.append_many(3_000);
    running.until("behind", |snapshot| snapshot.lag_records.is_some_and(|lag| lag > 5_000) && snapshot.store_away.is_some()).await;
    let id = world.log.records(&world.facts)[0].clone();
    let start = world.end() - 10;
    world.log.write(
        &world.facts,
        vec![loki_log::NewRecord { key: id.key, value: id.value, headers: id.headers, timestamp_ms: None }],
        false,
    );
    world.log.trim(&world.facts, start);
    world.store.set_away(false);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 2);
    running.stop().await;
}
