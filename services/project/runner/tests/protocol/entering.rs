//! Where a loop goes on, for each state in which it may find the store and the log.

use std::time::Duration;

use loki_runner::testing::{Fault, log_id, opening};
use loki_runner::{Mode, Phase, State, Target};
use loki_runtime::Clock;

use crate::world::{GROUP, World, eventually};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn an_empty_store_is_filled() {
    let mut world = World::new();
    world.append_many(100);
    let running = world.run();
    world.caught_up(&running).await;
    assert_eq!((world.store.swaps(), running.why_not_ready()), (1, None));
    let snapshot = running.status.now();
    assert_eq!((snapshot.log, snapshot.position(), snapshot.phase), (Some(log_id(1)), Some(world.end()), Phase::Live));
    assert_eq!(snapshot.last_rebuild.map(|told| told.text), Some("the store has no position".to_owned()));
    eventually("the group's offset follows", || world.log.committed_now(GROUP, &world.facts) == Some(world.end())).await;
    running.stop().await;
    assert_eq!(world.log.members_now(GROUP), 0);
}

#[tokio::test]
async fn a_store_goes_on_where_it_is() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    running.stop().await;
    let before = world.store.written().len();
    let left = world.end();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 1);
    assert_eq!(world.store.written()[before..].first().map(|batch| batch.1), Some(left));
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_is_set_back_is_building_until_it_is_past_where_it_was() {
    for restart in [false, true] {
        let mut world = World::new();
        world.config.rebuild_records_max = 4;
        world.append_many(10);
        let mut running = world.run();
        world.caught_up(&running).await;
        let copy = world.store.main();
        let copied = world.end();
        world.append_many(10);
        world.caught_up(&running).await;
        eventually("the group's offset follows", || world.log.committed_now(GROUP, &world.facts) == Some(world.end())).await;
        if restart {
            running.stop().await;
            world.store.replace(copy);
            running = world.run();
        } else {
            world.store.replace(copy);
        }
        world.caught_up(&running).await;
        assert_eq!(world.store.swaps(), 1, "no rebuild");
        let marked = (Target::Main, copied, copied, 0, State::Building);
        let written = world.store.written();
        let replayed: Vec<_> = written.iter().skip_while(|batch| **batch != marked).collect();
        let (last, before) = replayed.split_last().expect("it was marked");
        assert!(before.len() > 4 && before.iter().all(|batch| batch.4 == State::Building), "restart: {restart}: {replayed:?}");
        assert_eq!((last.2, last.4), (world.end(), State::Live));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_replay_does_not_lower_the_offset_that_witnesses_it() {
    let mut world = World::new();
    world.config.rebuild_records_max = 4;
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    let copy = world.store.main();
    world.append_many(10);
    world.caught_up(&running).await;
    running.stop().await;
    world.store.replace(copy);
    world.store.fail_next([None, None].into_iter().chain([Some(Fault::Away); 10_000]));
    let running = world.run();
    running.until("half-way", |snapshot| snapshot.store_away.is_some() && snapshot.mode != Mode::Entering).await;
    running.stop().await;
    assert_eq!(world.log.committed_now(GROUP, &world.facts), Some(world.end()));
    world.store.heal();
    let running = world.run();
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn a_replay_that_was_cut_off_goes_on() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    running.kill().await;
    world.store.change(|stored| stored.state = State::Building);
    let running = world.run();
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_was_made_again_means_a_rebuild() {
    for restart in [false, true] {
        let mut world = World::new();
        world.append_many(10);
        world.config.touch_every = Duration::from_millis(50);
        let mut running = Some(world.run());
        world.caught_up(running.as_ref().unwrap()).await;
        if restart {
            running.take().unwrap().stop().await;
        }
        world.log.truncate(&world.facts, 0);
        world.log.write(&world.facts, vec![opening(log_id(2))], false);
        world.append_many(30);
        let running = running.unwrap_or_else(|| world.run());
        running.until("another log", |snapshot| snapshot.stored.is_some_and(|stored| stored.log == log_id(2))).await;
        world.caught_up(&running).await;
        let building = |batch: &&(Target, u64, u64, usize, State)| batch.0 == Target::Main && batch.4 == State::Building;
        assert_eq!(world.store.written().iter().filter(building).count(), 1, "what it held was wrong");
        running.stop().await;
    }
}

#[tokio::test]
async fn what_another_log_has_filled_is_not_read_although_a_rebuild_was_asked_for() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    running.stop().await;
    world.log.truncate(&world.facts, 0);
    world.log.write(&world.facts, vec![opening(log_id(2))], false);
    world.append_many(30);
    world.store.set_away(true);
    let running = world.run();
    running.control.rebuild();
    world.store.set_away(false);
    world.caught_up(&running).await;
    eventually("an answer", || running.control.rebuilt() == 1).await;
    let building = |batch: &&(Target, u64, u64, usize, State)| batch.0 == Target::Main && batch.4 == State::Building;
    assert_eq!(world.store.written().iter().filter(building).count(), 1, "what it held was wrong");
    assert_eq!(world.store.swaps(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_was_restored_means_a_rebuild() {
    let mut world = World::new();
    world.append_many(20);
    let running = world.run();
    world.caught_up(&running).await;
    world.log.truncate(&world.facts, 11);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 2);
    let why = running.status.now().last_rebuild.expect("a rebuild").text;
    assert!(why.contains("restored from an older copy"), "{why}");
    running.stop().await;
}

#[tokio::test]
async fn a_store_below_the_start_of_the_log_is_rebuilt() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    running.stop().await;
    let left = world.end();
    world.append_many(10);
    let id = world.log.records(&world.facts)[0].clone();
    world.log.compact(&world.facts, |record| record.offset > left + 5);
    world.log.trim(&world.facts, left + 5);
    world.log.write(
        &world.facts,
        vec![loki_log::NewRecord { key: id.key, value: id.value, headers: id.headers, timestamp_ms: None }],
        false,
    );
    let running = world.run();
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_was_away_for_longer_than_removals_are_kept_is_rebuilt() {
    for (days, rebuilds) in [(6, 1), (8, 2)] {
        let mut world = World::new();
        world.clock = Clock::fixed(100 * DAY);
        world.config.removals_kept_ms = Some(7 * DAY);
        world.append_many(10);
        let running = world.run();
        world.caught_up(&running).await;
        running.stop().await;
        world.append_many(1);
        world.clock.set((100 + days) * DAY);
        let running = world.run();
        world.caught_up(&running).await;
        assert_eq!(world.store.swaps(), rebuilds, "{days} days");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_rebuild_that_is_asked_for_leaves_readers_their_store_until_the_swap() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.set_hanging(true);
    running.control.rebuild();
    let snapshot = running.until("rebuilding", |snapshot| matches!(snapshot.mode, Mode::Rebuilding { .. })).await;
    assert_eq!(snapshot.phase, Phase::Live);
    assert_eq!((running.control.wanted(), running.control.rebuilt()), (1, 0));
    world.store.set_hanging(false);
    eventually("a swap", || world.store.swaps() == 2).await;
    eventually("an answer", || running.control.rebuilt() == 1).await;
    world.append_many(10);
    world.caught_up(&running).await;
    assert!(world.store.written().iter().all(|batch| batch.0 == Target::Shadow || batch.4 == State::Live));
    assert_eq!((world.store.swaps(), running.control.stored()), (2, world.store.stored()));
    running.stop().await;
}

/// What was written to the main generation to keep readers away.
fn given_up(world: &World) -> usize {
    world.store.written().iter().filter(|batch| batch.0 == Target::Main && batch.4 == State::Building).count()
}

#[tokio::test]
async fn a_rebuild_that_is_asked_for_through_the_store_leaves_readers_what_they_have() {
    for idle in [false, true] {
        let mut world = World::new();
        world.append_many(10);
        let running = world.run();
        world.caught_up(&running).await;
        world.store.ask();
        if !idle {
            world.append_many(10);
        }
        eventually("a swap", || world.store.swaps() == 2).await;
        world.caught_up(&running).await;
        let why = running.status.now().last_rebuild.expect("a rebuild").text;
        assert_eq!((given_up(&world), why.as_str()), (0, "an operator asked for it"));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_store_that_is_wrong_is_not_read_although_it_was_asked() {
    for another in [false, true] {
        let mut world = World::new();
        world.append_many(10);
        let running = world.run();
        world.caught_up(&running).await;
        running.stop().await;
        if another {
            world.log.truncate(&world.facts, 0);
            world.log.write(&world.facts, vec![opening(log_id(2))], false);
            world.append_many(30);
        } else {
            world.log.truncate(&world.facts, 11);
        }
        world.store.ask();
        let running = world.run();
        world.caught_up(&running).await;
        assert_eq!((given_up(&world), world.store.swaps()), (1, 2), "another log: {another}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_store_that_is_set_back_is_not_read_although_it_was_asked() {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    let copy = world.store.main();
    world.append_many(10);
    world.caught_up(&running).await;
    running.stop().await;
    assert_eq!(world.log.committed_now(GROUP, &world.facts), Some(world.end()));
    world.store.replace(copy);
    world.store.ask();
    let running = world.run();
    world.caught_up(&running).await;
    assert_eq!((given_up(&world), world.store.swaps()), (1, 2));
    running.stop().await;
}

#[tokio::test]
async fn a_log_without_an_id_is_waited_for_within_the_group() {
    let mut world = World::without_id(loki_runner::testing::MemoryLog::simple(false));
    let running = world.run();
    running.until("waiting for the log", |snapshot| snapshot.mode == Mode::WaitingForLog).await;
    let polls = world.log.polls(GROUP);
    eventually("it polls", || world.log.polls(GROUP) > polls).await;
    assert_eq!((world.store.main(), world.log.members_now(GROUP)), (None, 1));
    assert!(running.why_not_ready().is_some_and(|why| why.contains("no id yet")));
    world.log.write(&world.facts, vec![opening(log_id(1))], false);
    world.append_many(3);
    world.caught_up(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_ends_although_the_log_grows_all_the_time() {
    let mut world = World::as_kafka();
    (world.config.rebuild_records_max, world.config.batch_records_max) = (10, 10);
    world.append_many(50);
    let running = world.run();
    while world.store.swaps() == 0 {
        // As fast as it is read, so that the end is never seen.
        let read = world.store.written().last().map_or(0, |batch| batch.2);
        while world.end() < read + 60 {
            world.append([1, 2, 3]);
        }
        tokio::task::yield_now().await;
    }
    running.until("live", |snapshot| snapshot.mode == Mode::Following).await;
    world.caught_up(&running).await;
    running.stop().await;
}

/// Readers remember how far the store was: one that was filled anew must not look like an older copy.
#[tokio::test]
async fn a_rebuilt_store_is_not_behind_the_one_before() {
    let mut world = World::as_kafka();
    world.append_many(5);
    let running = world.run();
    world.caught_up(&running).await;
    let end = world.end();
    eventually("markers are counted", || world.store.stored().is_some_and(|stored| stored.position == end)).await;
    let before = world.store.written().len();
    running.control.rebuild();
    eventually("it is rebuilt", || running.control.rebuilt() == 1).await;
    world.caught_up(&running).await;
    running.stop().await;
    let written = world.store.written();
    let behind = written[before..].iter().find(|batch| batch.0 == Target::Main && batch.1 < end);
    assert_eq!(behind, None, "the end is {end}");
    assert!(written[before..].iter().any(|batch| batch.0 == Target::Shadow && batch.2 == end), "{written:?}");
}
