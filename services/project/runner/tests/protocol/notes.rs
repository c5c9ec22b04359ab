//! What the loop says beside its group's offset: why it does not get on, and since when, and nothing as soon as it does.

use bytes::Bytes;
use loki_log::{Committed, NewRecord};
use loki_runner::testing::Fault;
use loki_runner::{Snapshot, Told};
use loki_runtime::Clock;

use crate::world::{GROUP, World, eventually};

fn committed(world: &World) -> Option<Committed> {
    world.log.committed_with_note(GROUP, &world.facts)
}

fn said(world: &World) -> Option<Told> {
    committed(world)?.note.map(|note| Told::from_note(&note).expect("a note of ours"))
}

async fn says(world: &World, part: &str) -> Told {
    eventually(part, || said(world).is_some_and(|told| told.text.contains(part))).await;
    said(world).unwrap()
}

async fn says_nothing_at(world: &World, position: u64) {
    eventually("nothing more to say", || committed(world) == Some(Committed { position, note: None })).await;
}

#[tokio::test]
async fn a_store_that_is_away_is_told_of_until_it_is_back() {
    let mut world = World::new();
    world.clock = Clock::fixed(1_000);
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    let before = world.end();
    says_nothing_at(&world, before).await;

    world.store.set_away(true);
    world.append_many(3);
    assert_eq!(says(&world, "the store is away").await.at_ms, 1_000);
    world.clock.set(5_000);
    let polls = world.log.polls(GROUP);
    eventually("it tries on", || world.log.polls(GROUP) > polls + 3).await;
    assert_eq!(committed(&world).unwrap().position, before, "the offset stays");
    assert_eq!(said(&world).unwrap().at_ms, 1_000, "since when it began");

    world.store.set_away(false);
    world.caught_up(&running).await;
    says_nothing_at(&world, world.end()).await;
    assert_eq!(running.status.now().trouble, None);
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_told_of() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    world.fail([Fault::Unusable; 1_000]);
    world.append_many(3);
    says(&world, "the store cannot be used").await;
    world.store.heal();
    world.caught_up(&running).await;
    says_nothing_at(&world, world.end()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_was_never_there_is_told_of() {
    let mut world = World::new();
    world.append_many(3);
    world.store.set_away(true);
    let running = world.run();
    says(&world, "the store is away").await;
    assert_eq!(committed(&world).unwrap().position, 0, "nothing is held");
    world.store.set_away(false);
    world.caught_up(&running).await;
    says_nothing_at(&world, world.end()).await;
    running.stop().await;
}

/// The offset is a witness: a note must not move it, whatever its member knows yet.
#[tokio::test]
async fn a_note_leaves_the_offset_where_it_was() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    let copy = world.store.main();
    world.append_many(3);
    world.caught_up(&running).await;
    running.stop().await;
    let left = world.end();
    assert_eq!(committed(&world), Some(Committed { position: left, note: None }));

    world.store.replace(copy);
    world.store.set_away(true);
    let running = world.run();
    says(&world, "the store is away").await;
    assert_eq!(committed(&world).unwrap().position, left);
    world.store.set_away(false);
    let written = world.store.written().len();
    world.caught_up(&running).await;
    assert!(world.store.written()[written..].iter().any(|batch| batch.2 > batch.1), "it was replayed");
    says_nothing_at(&world, world.end()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_of_whoever_comes() {
    let mut world = World::new();
    world.append_many(3);
    let running = world.run();
    world.caught_up(&running).await;
    let broken = world.end();
    world.log.write(&world.facts, vec![NewRecord { key: Some(Bytes::from_static(b"node/x")), ..NewRecord::default() }], false);
    says(&world, &format!("record {broken} of `facts[0]` cannot be read")).await;
    assert_eq!(committed(&world).unwrap().position, broken);
    running.stop().await;
    says(&world, "cannot be read").await;

    // a release that can read it
    world.log.compact(&world.facts, |record| record.offset != broken);
    world.append_many(1);
    let running = world.run();
    running.until("caught up", Snapshot::is_caught_up).await;
    says_nothing_at(&world, world.end()).await;
    running.stop().await;
}

/// Who waits for the log's id says so.
#[tokio::test]
async fn a_log_without_id_is_told_of() {
    let world = World::without_id(loki_runner::testing::MemoryLog::simple(false));
    let running = world.run();
    says(&world, "the log has no id yet").await;
    running.stop().await;
}
