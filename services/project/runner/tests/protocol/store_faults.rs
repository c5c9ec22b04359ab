//! A store that fails: nothing is lost, nothing is applied twice, the member stays in the group.

use std::time::Duration;

use loki_runner::testing::Fault;
use loki_runner::{Mode, Phase, State};

use crate::world::{GROUP, PATIENCE, World, eventually};

#[tokio::test]
async fn any_write_of_a_live_store_may_fail_in_any_way() {
    for fault in Fault::ALL {
        let mut world = World::new();
        world.append_many(3);
        let running = world.run();
        world.caught_up(&running).await;
        world.fail([fault, fault, fault]);
        while world.store.faults_left() > 0 {
            world.append_many(5);
            world.caught_up(&running).await;
        }
        assert_eq!(world.store.swaps(), 1, "{fault:?}");
        let starts = if fault == Fault::Refuse { 4 } else { 1 };
        assert_eq!(world.log.starts(GROUP), starts, "{fault:?}: what was read is kept");
        eventually("ready", || running.why_not_ready().is_none()).await;
        running.stop().await;
    }
}

/// A rebuild of this log: begin, three batches, finish.
#[tokio::test]
async fn any_write_of_a_rebuild_may_fail_in_any_way() {
    for fault in Fault::ALL {
        for before in 0..5 {
            let mut world = World::new();
            world.config.rebuild_records_max = 3;
            for n in 0..3 {
                world.append([n, n + 1, n + 2]);
            }
            world.store.fail_next(std::iter::repeat_n(None, before).chain([Some(fault)]));
            let running = world.run();
            world.caught_up(&running).await;
            assert_eq!(world.store.faults_left(), 0, "{fault:?} at {before}");
            assert_eq!(world.store.swaps(), 1, "{fault:?} at {before}");
            let starts = if fault == Fault::Refuse && (1..5).contains(&before) { 2 } else { 1 };
            assert_eq!(world.log.starts(GROUP), starts, "{fault:?} at {before}: what was read is kept");
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn any_write_of_a_replay_may_fail_in_any_way() {
    for fault in Fault::ALL {
        for before in 0..4 {
            let mut world = World::new();
            world.config.rebuild_records_max = 3;
            world.append_many(3);
            let running = world.run();
            world.caught_up(&running).await;
            let copy = world.store.main();
            world.append_many(3);
            world.caught_up(&running).await;
            running.stop().await;
            world.store.replace(copy);
            world.store.fail_next(std::iter::repeat_n(None, before).chain([Some(fault)]));
            let running = world.run();
            world.caught_up(&running).await;
            assert_eq!(world.store.swaps(), 1, "{fault:?} at {before}");
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_in_the_group() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    let before = world.end();
    world.store.set_away(true);
    world.append_many(2_000);
    let polls = world.log.polls(GROUP);
    let snapshot = running.until("behind", |snapshot| snapshot.lag_records == Some(world.end() - before)).await;
    assert_eq!(snapshot.position(), Some(before));
    assert!(snapshot.store_away.is_some_and(|why| why.contains("the store is away")));
    assert!(running.why_not_ready().is_some_and(|why| why.contains("the store is away")));
    eventually("it polls", || world.log.polls(GROUP) > polls + 3).await;
    world.store.set_away(false);
    world.caught_up(&running).await;
    assert_eq!((world.store.swaps(), running.why_not_ready()), (1, None));
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_hangs_does_not_cost_the_membership() {
    let mut world = World::new();
    world.config.store_timeout = PATIENCE;
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.set_hanging(true);
    world.append_many(3_000);
    let polls = world.log.polls(GROUP);
    // Each poll lasts a second at most, and a session six.
    eventually("polled while the call hangs", || world.log.polls(GROUP) >= polls + 3).await;
    world.store.set_hanging(false);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_store_away_at_the_start_is_waited_for() {
    let mut world = World::new();
    world.append_many(3);
    world.store.set_away(true);
    let running = world.run();
    eventually("not ready", || running.why_not_ready().is_some_and(|why| why.contains("the store is away"))).await;
    world.store.set_away(false);
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn an_unusable_store_is_tried_again_now_and_then() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    world.fail([Fault::Unusable; 5]);
    world.append_many(3);
    eventually("not ready", || running.why_not_ready().is_some_and(|why| why.contains("cannot be used"))).await;
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn an_emptied_store_is_filled_again() {
    let mut world = World::new();
    world.append_many(20);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.replace(None);
    eventually("filled again", || world.store.swaps() == 2).await;
    world.caught_up(&running).await;
    world.store.replace(None);
    world.append_many(3);
    eventually("and again, noticed by a batch", || world.store.swaps() == 3).await;
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_somebody_marked_as_building_replays() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.change(|stored| stored.state = State::Building);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_idle_store_is_told_the_time() {
    let mut world = World::new();
    world.clock = loki_runtime::Clock::fixed(1_000);
    world.config.touch_every = Duration::from_millis(30);
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    world.clock.set(500_000);
    eventually("told", || world.store.stored().is_some_and(|stored| stored.ended_ms == 500_000)).await;
    world.agree();
    running.stop().await;
}

#[tokio::test]
async fn readers_see_no_store_as_live_that_is_not() {
    let mut world = World::new();
    world.append_many(200);
    world.store.set_hanging(true);
    let running = world.run();
    let snapshot = running.until("rebuilding", |snapshot| matches!(snapshot.mode, Mode::Rebuilding { .. })).await;
    assert_eq!((snapshot.phase, snapshot.stored), (Phase::Building, None));
    world.store.set_hanging(false);
    world.caught_up(&running).await;
    running.stop().await;
}
