//! A log that was restored from an older copy: what the store holds of the lost records is never taken for the truth again, although the log grows
//! past where it was.

use loki_runner::testing::Fault;
use loki_runner::{Mode, State};

use crate::world::{Running, World, eventually};

/// A store at the end of a log.
async fn filled() -> (World, Running) {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    (world, running)
}

/// Longer than it ever was, and other records.
fn grow(world: &mut World, was: u64) {
    while world.end() <= was {
        world.append([70, 71]);
    }
}

#[tokio::test]
async fn a_rebuild_that_is_interrupted_is_begun_again() {
    for killed in [false, true] {
        let (mut world, running) = filled().await;
        running.stop().await;
        let was = world.end();
        world.log.truncate(&world.facts, was - 1);
        // given up, and no further
        world.store.fail_next([None].into_iter().chain([Some(Fault::Away); 10_000]));
        let running = world.run();
        eventually("given up", || world.store.stored().is_some_and(|stored| stored.state == State::Building)).await;
        match killed {
            true => running.kill().await,
            false => running.stop().await,
        }
        grow(&mut world, was);
        world.store.heal();
        let running = world.run();
        world.caught_up(&running).await;
        assert_eq!(world.store.swaps(), 2, "killed: {killed}");
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_seen_is_remembered_while_the_store_cannot_be_told() {
    let (mut world, running) = filled().await;
    let was = world.end();
    world.store.set_hanging(true);
    world.log.truncate(&world.facts, was - 1);
    running.until("seen", |snapshot| snapshot.end == Some(was - 1)).await;
    grow(&mut world, was);
    world.store.set_hanging(false);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 2);
    running.stop().await;
}

#[tokio::test]
async fn what_was_seen_while_the_store_was_away_is_remembered() {
    let (mut world, running) = filled().await;
    let was = world.end();
    world.store.set_away(true);
    running.until("away", |snapshot| snapshot.store_away.is_some()).await;
    world.log.truncate(&world.facts, was - 1);
    running.until("seen", |snapshot| snapshot.end == Some(was - 1)).await;
    grow(&mut world, was);
    world.store.set_away(false);
    world.caught_up(&running).await;
    assert_eq!(world.store.swaps(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_restore_in_the_middle_of_a_rebuild_is_noticed() {
    let (mut world, running) = filled().await;
    let was = world.end();
    world.store.set_hanging(true);
    running.control.rebuild();
    running.until("rebuilding", |snapshot| matches!(snapshot.mode, Mode::Rebuilding { .. })).await;
    world.log.truncate(&world.facts, was - 5);
    running.until("seen", |snapshot| snapshot.end == Some(was - 5)).await;
    grow(&mut world, was);
    world.store.set_hanging(false);
    world.caught_up(&running).await;
    let why = running.status.now().last_rebuild.expect("a rebuild").text;
    assert!(why.contains("restored from an older copy"), "{why}");
    running.stop().await;
}
