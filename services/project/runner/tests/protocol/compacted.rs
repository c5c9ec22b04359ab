//! A store that is behind for longer than the log keeps every step, or every removal: readers never get a state that never was, and what was
//! removed meanwhile does not stay.

use loki_runner::testing::{Fault, command, removal};
use loki_runner::{Mode, State, Target};
use loki_runtime::Clock;

use crate::world::{Running, World};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A store at the end of a log that keeps steps for an hour and removals for a week.
async fn filled() -> (World, Running) {
    let mut world = World::new();
    world.clock = Clock::fixed(100 * DAY);
    world.config.steps_kept_ms = Some(HOUR);
    world.config.removals_kept_ms = Some(7 * DAY);
    (world.config.rebuild_records_max, world.config.batch_records_max) = (4, 4);
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    (world, running)
}

/// The states of what was written to the main generation since.
fn states(world: &World, since: usize) -> Vec<State> {
    world.store.written()[since..].iter().filter(|batch| batch.0 == Target::Main).map(|batch| batch.4).collect()
}

#[tokio::test]
async fn a_store_that_was_away_for_longer_than_steps_are_kept_is_building_until_the_end() {
    for restart in [false, true] {
        for (away_ms, building) in [(HOUR / 2, false), (2 * HOUR, true)] {
            let (mut world, running) = filled().await;
            let since = world.store.written().len();
            let mut running = Some(running);
            if restart {
                running.take().unwrap().stop().await;
            } else {
                world.store.set_away(true);
                running.as_ref().unwrap().until("away", |snapshot| snapshot.store_away.is_some()).await;
            }
            world.append_many(10);
            world.clock.set(100 * DAY + away_ms);
            world.store.set_away(false);
            let running = running.unwrap_or_else(|| world.run());
            world.caught_up(&running).await;
            let mut states = states(&world, since);
            assert_eq!(states.pop(), Some(State::Live));
            let expected = if building { State::Building } else { State::Live };
            assert!(states.len() >= 4 && states.iter().all(|state| *state == expected), "restart: {restart}, {away_ms}: {states:?}");
            assert_eq!(world.store.swaps(), 1);
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn a_replay_that_takes_longer_than_steps_are_kept_gets_a_new_goal() {
    let (mut world, running) = filled().await;
    running.stop().await;
    world.store.change(|stored| stored.state = State::Building);
    world.append_many(10);
    let goal = world.end();
    // half-way
    world.store.set_hanging(true);
    let running = world.run();
    running.until("replaying", |snapshot| snapshot.mode != Mode::Entering && snapshot.store_away.is_some()).await;
    world.append_many(10);
    world.clock.set(100 * DAY + 2 * HOUR);
    world.store.set_hanging(false);
    world.caught_up(&running).await;
    let live: Vec<u64> =
        world.store.written().iter().filter(|batch| batch.2 >= goal && batch.4 == State::Live).map(|batch| batch.2).collect();
    assert_eq!(live, [world.end()], "live at the end and not before");
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_that_takes_longer_than_steps_are_kept_is_not_swapped_at_an_older_end() {
    let (mut world, running) = filled().await;
    // the first records, and no more
    world.store.fail_next([None, None].into_iter().chain([Some(Fault::Away); 10_000]));
    running.control.rebuild();
    running.until("rebuilding", |snapshot| matches!(snapshot.mode, Mode::Rebuilding { .. }) && snapshot.store_away.is_some()).await;
    // so little that it would do for a swap
    world.append_many(3);
    world.clock.set(100 * DAY + 2 * HOUR);
    let since = world.store.written().len();
    world.store.heal();
    world.caught_up(&running).await;
    let live = states(&world, since).iter().filter(|state| **state == State::Live).count();
    assert_eq!((world.store.swaps(), live), (2, 0), "it is at the end when it is swapped");
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_was_away_for_longer_than_removals_are_kept_is_rebuilt_without_a_restart() {
    for (days, rebuilds) in [(6, 1), (8, 2)] {
        let (mut world, running) = filled().await;
        world.store.set_away(true);
        running.until("away", |snapshot| snapshot.store_away.is_some()).await;
        world.log.write(&world.facts, command(900, &[removal(3)], true), false);
        world.append([5, 6]);
        if days > 7 {
            // the removal is gone, and so is what it removed
            let rows = world.log.records(&world.facts);
            let removed = rows.iter().find(|record| record.value.is_none()).and_then(|record| record.key.clone());
            world.log.compact(&world.facts, |record| record.key != removed);
        }
        world.clock.set((100 + days) * DAY);
        world.store.set_away(false);
        world.caught_up(&running).await;
        assert_eq!(world.store.swaps(), rebuilds, "{days} days");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_rebuild_that_stands_still_for_longer_than_removals_are_kept_is_begun_anew() {
    let mut world = World::new();
    world.clock = Clock::fixed(100 * DAY);
    world.config.removals_kept_ms = Some(7 * DAY);
    world.config.rebuild_records_max = 4;
    world.append_many(10);
    // the first records, and no more
    world.store.fail_next([None, None].into_iter().chain([Some(Fault::Away); 10_000]));
    let running = world.run();
    running.until("away", |snapshot| snapshot.store_away.is_some()).await;
    let applied = world.store.written().last().map(|batch| (batch.0, batch.2)).expect("the first records");
    assert_eq!(applied.0, Target::Shadow);
    world.log.compact(&world.facts, |record| record.offset == 0 || record.offset >= 8);
    world.append_many(1);
    world.clock.set(108 * DAY);
    world.store.heal();
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 1);
    running.stop().await;
}
