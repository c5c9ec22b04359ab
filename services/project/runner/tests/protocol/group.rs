//! Several members: one works, the others stand by; hand-over in order and not.

use std::time::Duration;

use loki_runner::Mode;
use loki_runner::testing::Fault;

use crate::world::{GROUP, PATIENCE, World, eventually};

#[tokio::test]
async fn a_stand_by_is_ready_and_takes_over() {
    let mut world = World::new();
    world.append_many(10);
    let first = world.run();
    world.caught_up(&first).await;
    let second = world.run();
    second.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    assert_eq!(second.why_not_ready(), None);
    world.append_many(10);
    world.caught_up(&first).await;
    first.stop().await;
    world.append_many(10);
    world.caught_up(&second).await;
    assert_eq!(world.store.swaps(), 1);
    second.stop().await;
}

#[tokio::test]
async fn a_revoked_partition_is_given_back_with_its_offset() {
    let mut world = World::new();
    world.config.commit_every = PATIENCE;
    world.append_many(10);
    let first = world.run();
    world.caught_up(&first).await;
    let second = world.run();
    second.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    world.log.revoke(GROUP);
    second.until("following", |snapshot| snapshot.mode == Mode::Following).await;
    assert_eq!(world.log.committed_now(GROUP, &world.facts), Some(world.end()), "stored when it was given back");
    first.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    world.append_many(10);
    world.caught_up(&second).await;
    second.stop().await;
    world.append_many(10);
    world.caught_up(&first).await;
    assert_eq!(world.store.swaps(), 1);
    first.stop().await;
}

#[tokio::test]
async fn a_partition_lost_amid_a_write_is_dropped_at_once() {
    let mut world = World::new();
    (world.config.store_timeout, world.config.drain) = (PATIENCE, PATIENCE);
    world.append_many(10);
    let first = world.run();
    world.caught_up(&first).await;
    let second = world.run();
    second.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    world.fail([Fault::HangAfter]);
    world.append_many(10);
    eventually("the write hangs", || world.store.faults_left() == 0).await;
    world.log.lose(GROUP);
    world.caught_up(&second).await;
    first.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    assert_eq!(world.store.swaps(), 1);
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn a_write_in_hand_is_finished_at_shutdown() {
    let mut world = World::new();
    (world.config.store_timeout, world.config.drain) = (PATIENCE, PATIENCE);
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    world.store.set_hanging(true);
    world.append_many(1);
    eventually("the write hangs", || world.store.hanging() == 1).await;
    running.begin_stop();
    world.store.set_hanging(false);
    running.ended().await.unwrap();
    assert_eq!(world.store.stored().map(|stored| stored.position), Some(world.end()));
    assert_eq!(world.log.committed_now(GROUP, &world.facts), Some(world.end()));
    world.agree();
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hold_up_the_shutdown() {
    let mut world = World::new();
    (world.config.store_timeout, world.config.drain) = (PATIENCE * 10, Duration::from_millis(50));
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    world.fail([Fault::Hang]);
    world.append_many(1);
    eventually("the write hangs", || world.store.faults_left() == 0).await;
    running.stop().await;
    assert_eq!(world.log.members_now(GROUP), 0, "it left the group");
}

#[tokio::test]
async fn a_killed_member_leaves_nothing_half_done() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let mut world = World::new();
        world.config.store_timeout = PATIENCE;
        world.append_many(10);
        let running = world.run();
        world.caught_up(&running).await;
        world.fail([fault]);
        world.append_many(10);
        eventually("the write hangs", || world.store.faults_left() == 0).await;
        running.kill().await;
        let running = world.run();
        world.caught_up(&running).await;
        assert_eq!(world.store.swaps(), 1);
        running.stop().await;
    }
}
