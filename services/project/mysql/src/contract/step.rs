//! The atomic step.

use loki_domain::ServerState;
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_wire::Fact;

use super::World;
use super::given::*;

pub async fn a_new_store_has_no_position(world: &dyn World) {
    let mut projection = state(world);
    assert_eq!(projection.name(), "mysql");
    assert_eq!(projection.stored().await.expect("read"), None);
    assert_eq!(history(world).name(), "history");
    assert_eq!(history(world).stored().await.expect("read"), None);
    // there is nothing that a batch could be applied to
    for target in [Target::Main, Target::Shadow] {
        assert_eq!(projection.apply(batch::<Fact>(target, 0, 1, &[])).await.expect("refused"), Applied::Refused);
    }
}

pub async fn a_batch_moves_data_and_position(world: &dyn World) {
    let mut story = Story::new();
    let mut projection = state(world);
    fill(&mut projection, &story.facts).await;
    let stored = Stored { log: log(1), position: 1, state: State::Live, ended_ms: ENDED_MS };
    assert_eq!(projection.stored().await.expect("read"), Some(stored));

    story.accept(vec![set_node(node(1, 0, "acme"))]);
    let applied = projection.apply(batch(Target::Main, 1, 7, &story.facts[1..])).await.expect("applied");
    assert_eq!(applied, Applied::Done);
    assert_eq!(projection.stored().await.expect("read"), Some(Stored { position: 7, ..stored }));
    // another process sees the same
    assert_eq!(state(world).stored().await.expect("read"), Some(Stored { position: 7, ..stored }));
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
}

pub async fn a_batch_from_elsewhere_is_refused(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme"))]);
    let mut projection = state(world);
    fill(&mut projection, &story.facts).await;
    let end = story.facts_end();
    let before = fold(&story.facts);
    story.accept(vec![set_node(node(2, 0, "other"))]);
    for from in [0, end - 1, end + 1] {
        let refused = projection.apply(batch(Target::Main, from, end + 5, &story.facts)).await.expect("refused");
        assert_eq!(refused, Applied::Refused, "from {from}");
    }
    assert_eq!(projection.stored().await.expect("read").map(|stored| stored.position), Some(end));
    assert_eq!(state_lines(&readers(world)).await, before);
}

pub async fn a_batch_of_another_log_is_refused(world: &dyn World) {
    let mut projection = state(world);
    let story = Story::new();
    fill(&mut projection, &story.facts).await;
    let other = Batch { log: log(2), ..batch::<Fact>(Target::Main, 1, 2, &[]) };
    assert_eq!(projection.apply(other).await.expect("refused"), Applied::Refused);
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    let other = Batch { log: log(2), ..batch::<Fact>(Target::Shadow, 0, 1, &[]) };
    assert_eq!(projection.apply(other).await.expect("refused"), Applied::Refused);
}

/// Databases tell changed rows from matched ones; only the latter say where the store was.
pub async fn a_batch_that_changes_nothing_is_done(world: &dyn World) {
    let mut projection = state(world);
    fill(&mut projection, &Story::new().facts).await;
    for _ in 0..2 {
        let same = Batch { ended_ms: Some(ENDED_MS), ..batch::<Fact>(Target::Main, 1, 1, &[]) };
        assert_eq!(projection.apply(same).await.expect("applied"), Applied::Done);
    }
}

pub async fn an_empty_batch_moves_state_and_time(world: &dyn World) {
    let mut projection = history(world);
    fill(&mut projection, &[]).await;
    let at = |position, state, ended_ms| Some(Stored { log: log(1), position, state, ended_ms });
    let building = Batch { state: State::Building, ..batch(Target::Main, 0, 3, &[]) };
    assert_eq!(projection.apply(building).await.expect("applied"), Applied::Done);
    assert_eq!(projection.stored().await.expect("read"), at(3, State::Building, ENDED_MS));
    let live = Batch { ended_ms: Some(9_000), ..batch(Target::Main, 3, 3, &[]) };
    assert_eq!(projection.apply(live).await.expect("applied"), Applied::Done);
    assert_eq!(projection.stored().await.expect("read"), at(3, State::Live, 9_000));
}

pub async fn a_batch_that_fails_leaves_nothing(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme"))]);
    let mut projection = state(world);
    fill(&mut projection, &story.facts).await;
    let (end, before, known) = (story.facts_end(), fold(&story.facts), story.facts.len());

    // nodes are written, then memberships cannot be
    world.run("ALTER TABLE membership RENAME TO elsewhere").await;
    story.accept(vec![set_node(node(2, 1, "shop")), set_membership(membership(1, 2))]);
    let failed = projection.apply(batch(Target::Main, end, story.facts_end(), &story.facts[known..])).await.expect("refused");
    assert_eq!(failed, Applied::Refused);
    world.run("ALTER TABLE elsewhere RENAME TO membership").await;
    assert_eq!(projection.stored().await.expect("read").map(|stored| stored.position), Some(end));
    assert_eq!(state_lines(&readers(world)).await, before);

    // the same with an error that says nothing about emptiness
    world.run("ALTER TABLE membership RENAME COLUMN json TO text").await;
    let failed = projection.apply(batch(Target::Main, end, story.facts_end(), &story.facts[known..])).await;
    assert!(matches!(failed, Err(StoreError::Unusable(_))), "{failed:?}");
    world.run("ALTER TABLE membership RENAME COLUMN text TO json").await;
    assert_eq!(state_lines(&readers(world)).await, before);

    let applied = projection.apply(batch(Target::Main, end, story.facts_end(), &story.facts[known..])).await.expect("applied");
    assert_eq!(applied, Applied::Done);
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
}

/// Two members that both believe to be the only one: each batch is applied by exactly one of them, and neither is told of a deadlock.
pub async fn of_two_writers_one_is_refused(world: &dyn World) {
    let mut story = Story::new();
    let (mut a, mut b) = (state(world), state(world));
    fill(&mut a, &story.facts).await;
    for round in 0..40_u8 {
        let (from, known) = (story.facts_end(), story.facts.len());
        let nodes = (0..6).rev().map(|i| set_node(node(round + i + 1, 0, &format!("n{round}"))));
        story.accept(nodes.chain([set_server(server(round + 1, "web01", ServerState::Online))]).collect());
        let (to, facts) = (story.facts_end(), &story.facts[known..]);
        let (first, second) = tokio::join!(a.apply(batch(Target::Main, from, to, facts)), b.apply(batch(Target::Main, from, to, facts)));
        let (first, second) = (first.expect("no error"), second.expect("no error"));
        let done = [first, second].iter().filter(|applied| **applied == Applied::Done).count();
        assert_eq!(done, 1, "round {round}: {first:?}, {second:?}");
    }
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
}

pub async fn only_the_last_change_of_an_entity_counts(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "a")), set_node(node(2, 0, "b")), set_node(node(3, 0, "c"))]);
    story.accept(vec![set_node(node(1, 0, "a2")), remove(loki_domain::Key::Node(node_id(2)))]);
    story.accept(vec![remove(loki_domain::Key::Node(node_id(3)))]);
    story.accept(vec![set_node(node(1, 0, "a3")), set_node(node(3, 0, "c2"))]);
    let mut projection = state(world);
    fill(&mut projection, &Story::new().facts).await;
    let applied = projection.apply(batch(Target::Main, 1, story.facts_end(), &story.facts[1..])).await.expect("applied");
    assert_eq!(applied, Applied::Done);
    let lines = state_lines(&readers(world)).await;
    assert_eq!(lines, fold(&story.facts));
    assert_eq!(lines.len(), 2);
}

/// As a compacted log gives them: a child before its parent, two nodes of one name, a mount before its server.
pub async fn facts_come_in_any_order(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_mount(mount(3, 1)), set_membership(membership(1, 3))]);
    story.accept(vec![set_node(node(3, 2, "web")), set_node(node(4, 2, "web"))]);
    story.accept(vec![set_node(node(2, 1, "shop"))]);
    story.accept(vec![set_server(server(1, "web01", ServerState::Online)), set_server(server(2, "web01", ServerState::Online))]);
    let mut projection = state(world);
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    let mut from = 0;
    for fact in &story.facts {
        let to = fact.offset + 1;
        let applied = projection.apply(batch(Target::Shadow, from, to, std::slice::from_ref(fact))).await.expect("applied");
        assert_eq!(applied, Applied::Done);
        from = to;
    }
    assert_eq!(projection.finish_rebuild(log(1), from, ENDED_MS).await.expect("finished"), Applied::Done);
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
}

/// More rows than a statement takes, and rows so large that few fit into one.
pub async fn a_large_batch_is_applied(world: &dyn World) {
    let mut story = Story::new();
    let long = "长".repeat(256);
    for i in 0..2_600_u32 {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&i.wrapping_mul(2_654_435_761).to_be_bytes());
        let id = loki_domain::NodeId::from_digest(&digest);
        let mut entity = loki_domain::Node { id, ..node(1, 0, &format!("n{i}")) };
        if i % 20 == 0 {
            entity.labels = loki_domain::Labels::new((0..64).map(|key| (format!("label-{key}"), text(&long)))).expect("labels");
        }
        story.accept(vec![set_node(entity)]);
    }
    let mut projection = state(world);
    fill(&mut projection, &Story::new().facts).await;
    let applied = projection.apply(batch(Target::Main, 1, story.facts_end(), &story.facts[1..])).await.expect("applied");
    assert_eq!(applied, Applied::Done);
    assert!(state_lines(&readers(world)).await == fold(&story.facts), "the dump is not the fold");

    let removals: Vec<Fact> = story.facts[1..]
        .iter()
        .filter_map(|fact| Some(Fact { offset: fact.offset + 100_000, change: remove(fact.change.key()?), ..fact.clone() }))
        .collect();
    let applied = projection.apply(batch(Target::Main, story.facts_end(), end(&removals), &removals)).await.expect("applied");
    assert_eq!(applied, Applied::Done);
    assert_eq!(state_lines(&readers(world)).await, Vec::<String>::new());
}
