//! Batches to the main generation.

use loki_runner::{Applied, Batch, State, Target};
use loki_wire::Change;
use tokio::join;

use super::given::{Given, Writer, fold, log, mount, node, node_key, server};
use super::{PATIENCE, World};
use crate::port::Refusal;

pub async fn a_new_store_is_empty(world: &dyn World) {
    let mut writer = Writer::new(world, 1);
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    assert_eq!(writer.write(&[node(1, None, "a")]).await, Applied::Refused);
    assert_eq!(writer.projection.finish_rebuild(log(1), 0, 5).await.unwrap(), Applied::Refused);
    assert_eq!(world.dump().await, None);
    let reader = world.reader().await;
    assert!(matches!(reader.servers("/", true), Err(Refusal::NotReady(_))));
    assert!(reader.wait(0, PATIENCE / 100).await.is_err());
}

pub async fn a_batch_moves_the_position_with_its_changes(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    writer.check(world).await;
    assert_eq!(writer.write(&[node(2, Some(1), "b"), server(3, "web-1"), mount(2, 3)]).await, Applied::Done);
    writer.check(world).await;
    assert_eq!(writer.write(&[Change::Removed(node_key(2)), node(1, None, "renamed")]).await, Applied::Done);
    writer.check(world).await;
    // what does not exist is removed without complaint, and offsets without facts are passed
    assert_eq!(writer.write(&[Change::Removed(node_key(77)), Change::Log(log(1))]).await, Applied::Done);
    writer.check(world).await;
    let skip =
        Batch { log: writer.log, target: Target::Main, from: writer.position, to: 50, items: &[], state: State::Live, ended_ms: None };
    assert_eq!(writer.projection.apply(skip).await.unwrap(), Applied::Done);
    writer.position = 50;
    writer.check(world).await;
}

pub async fn another_position_is_refused(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a"), node(2, None, "b")]).await;
    for wrong in [0, 1, 3] {
        let mut other = Writer { position: wrong, ..Writer::new(world, 1) };
        assert_eq!(other.write(&[node(9, None, "x")]).await, Applied::Refused, "from {wrong}");
        writer.check(world).await;
    }
    assert_eq!(writer.write(&[node(3, None, "c")]).await, Applied::Done);
    writer.check(world).await;
}

pub async fn another_log_is_refused(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    let mut other = Writer { position: 1, ..Writer::new(world, 2) };
    assert_eq!(other.write(&[node(9, None, "x")]).await, Applied::Refused);
    assert_eq!(other.write(&[]).await, Applied::Refused);
    writer.check(world).await;
}

pub async fn an_equal_position_moves_only_the_state(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    for (state, ended_ms, expected) in [(State::Building, None, 1_000), (State::Building, Some(7), 7), (State::Live, Some(2_000), 2_000)] {
        let batch = Batch { log: writer.log, target: Target::Main, from: 1, to: 1, items: &[], state, ended_ms };
        assert_eq!(writer.projection.apply(batch).await.unwrap(), Applied::Done);
        let stored = loki_runner::Stored { state, ended_ms: expected, ..writer.stored() };
        assert_eq!(writer.projection.stored().await.unwrap(), Some(stored));
        assert_eq!(world.dump().await, Some((stored, fold(&writer.changes))));
    }
    let wrong = Batch { log: writer.log, target: Target::Main, from: 2, to: 2, items: &[], state: State::Building, ended_ms: None };
    assert_eq!(writer.projection.apply(wrong).await.unwrap(), Applied::Refused);
    assert_eq!(writer.projection.stored().await.unwrap().map(|stored| stored.state), Some(State::Live));
}

pub async fn a_batch_may_be_larger_than_one_write(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    // some 3,500 entities, in commands of 7
    let changes: Vec<Change> = (0..3_500).map(|number| server(10_000 + number, &format!("{number}{}", "x".repeat(50)))).collect();
    let mut facts = writer.facts(&changes);
    for (index, fact) in facts.iter_mut().enumerate() {
        (fact.command, fact.last) = (index as u64 / 7, index % 7 == 6);
    }
    assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    writer.check(world).await;
    let removals: Vec<Change> = changes.iter().filter_map(|change| Some(Change::Removed(change.key()?))).collect();
    assert_eq!(writer.write(&removals).await, Applied::Done);
    writer.check(world).await;
}

pub async fn the_last_word_in_a_batch_holds(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    let changes = [
        node(2, None, "b"),
        Change::Removed(node_key(2)),
        node(2, None, "c"),
        node(3, None, "d"),
        Change::Removed(node_key(3)),
        Change::Removed(node_key(1)),
        node(1, None, "e"),
    ];
    let facts = writer.command(&changes);
    assert_eq!(writer.apply(Target::Main, &facts).await.unwrap(), Applied::Done);
    writer.check(world).await;
}

pub async fn facts_may_come_in_any_order(world: &dyn World) {
    // a compacted log keeps the newest fact of each key: children before parents, mounts before servers
    let changes = vec![mount(2, 3), node(2, Some(1), "b"), server(3, "web-1"), node(1, None, "a")];
    let mut writer = Given::live(world, changes).await;
    writer.check(world).await;
    let reader = world.reader().await;
    reader.wait(writer.position - 1, PATIENCE).await.unwrap();
    assert!(super::servers_body(&*reader, "/a/b").contains("web-1"));
}

pub async fn a_dump_equals_a_fold(world: &dyn World) {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below) as u32
    };
    let mut writer = Given::live(world, vec![]).await;
    for round in 0..40 {
        let changes: Vec<Change> = (0..random(30))
            .map(|_| match (random(4), random(12)) {
                (0, number) => node(number, None, &format!("n{round}")),
                (1, number) => server(number, &format!("s{round}")),
                (2, number) => mount(number, random(12)),
                (_, number) => Change::Removed(node_key(number)),
            })
            .collect();
        assert_eq!(writer.write(&changes).await, Applied::Done);
    }
    writer.check(world).await;
}

pub async fn of_two_writers_one_wins(world: &dyn World) {
    let mut first = Given::live(world, vec![node(1, None, "a")]).await;
    let mut second = Writer { position: 1, changes: first.changes.clone(), ..Writer::new(world, 1) };
    for round in 0..20 {
        let (ours, theirs) = ([node(2, None, &format!("ours{round}"))], [node(2, None, &format!("theirs{round}"))]);
        let (ours, theirs) = join!(first.write(&ours), second.write(&theirs));
        assert!((ours == Applied::Done) != (theirs == Applied::Done), "round {round}: {ours:?}, {theirs:?}");
        let (winner, loser) = if ours == Applied::Done { (&mut first, &mut second) } else { (&mut second, &mut first) };
        winner.check(world).await;
        (loser.position, loser.changes) = (winner.position, winner.changes.clone());
    }
}
