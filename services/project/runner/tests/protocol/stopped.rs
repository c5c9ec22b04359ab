//! What a loop still does when a record stops its partition.

use bytes::Bytes;
use loki_log::NewRecord;
use loki_runner::{Mode, Phase, Target};

use crate::world::{Running, World, eventually};

/// A loop that has followed the log up to a record that nobody can read.
async fn stopped() -> (World, Running) {
    let mut world = World::new();
    world.append_many(10);
    let running = world.run();
    world.caught_up(&running).await;
    world.log.write(&world.facts, vec![NewRecord { key: Some(Bytes::from_static(b"node/x")), ..NewRecord::default() }], false);
    stops(&running).await;
    (world, running)
}

async fn stops(running: &Running) {
    running.until("stopped", |snapshot| snapshot.phase == Phase::Stopped && matches!(snapshot.mode, Mode::Stopped { .. })).await;
}

/// How often a shadow was filled from the start.
fn rounds(world: &World) -> usize {
    world.store.written().iter().filter(|batch| batch.0 == Target::Shadow && batch.1 == 0).count()
}

/// It goes on looking at its store.
async fn looks_on(world: &World) {
    let reads = world.store.reads();
    eventually("it looks at its store", || world.store.reads() > reads + 10).await;
}

#[tokio::test]
async fn each_request_for_a_rebuild_is_tried_once() {
    let (world, running) = stopped().await;
    looks_on(&world).await;
    assert_eq!(rounds(&world), 1, "the first filling");
    for asked in 1..=2 {
        running.control.rebuild();
        eventually("a new generation", || rounds(&world) == 1 + asked).await;
        stops(&running).await;
        looks_on(&world).await;
        assert_eq!(rounds(&world), 1 + asked);
    }
    assert_eq!((running.control.wanted(), running.control.rebuilt(), world.store.swaps()), (2, 0, 1));
    running.stop().await;
}

#[tokio::test]
async fn each_request_through_the_store_is_tried_once() {
    let (world, running) = stopped().await;
    world.store.ask();
    eventually("a new generation", || rounds(&world) == 2).await;
    stops(&running).await;
    looks_on(&world).await;
    assert_eq!((rounds(&world), world.store.swaps()), (2, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_log_without_id_does_not_make_a_request_spin() {
    let mut world = World::without_id(loki_runner::testing::MemoryLog::simple(false));
    world.append(0..1_001);
    let running = world.run();
    running.control.rebuild();
    stops(&running).await;
    looks_on(&world).await;
    let (told, readers) = (running.status.now().trouble, world.log.readers());
    looks_on(&world).await;
    assert_eq!((running.status.now().trouble, world.log.readers()), (told, readers), "stopped once");
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_is_emptied_meanwhile_is_seen() {
    let (world, running) = stopped().await;
    world.store.set_away(true);
    running.until("away", |snapshot| snapshot.store_away.is_some()).await;
    world.store.set_away(false);
    running.until("back", |snapshot| snapshot.store_away.is_none()).await;
    assert_eq!(rounds(&world), 1);
    world.store.replace(None);
    eventually("a new generation", || rounds(&world) == 2).await;
    stops(&running).await;
    looks_on(&world).await;
    assert_eq!(rounds(&world), 2);
    running.stop().await;
}
