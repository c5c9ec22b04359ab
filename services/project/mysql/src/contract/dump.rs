//! Dumps.

use loki_domain::{Entity, Key};
use loki_runner::{Projection, Target};
use loki_wire::Change;

use super::World;
use super::deploys;
use super::given::*;
use crate::{Projected, outcome_lines};

/// Many changes of few entities, applied in batches of all sizes, while the dump is larger than a page.
pub async fn a_dump_equals_a_fold(world: &dyn World) {
    let mut story = Story::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..1_500 {
        let mut changes = Vec::new();
        for _ in 0..=roll(3) {
            let (a, b) = (roll(200) as u8, roll(200) as u8);
            let entity = match roll(5 + deploys::KINDS) {
                0 => Entity::Node(node(a, b, &format!("n{b}"))),
                1 => Entity::Server(server(a, &format!("s{b}"), loki_domain::ServerState::Online)),
                2 => Entity::Mount(mount(a, b)),
                3 => Entity::Membership(membership(a, b)),
                // not its business
                4 => Entity::Domain(domain(a, b, &format!("d{b}.example"))),
                of => deploys::entity(of - 5, a, b),
            };
            changes.push(if roll(5) == 0 { remove(entity.key()) } else { Change::Set(entity) });
        }
        story.accept(changes);
    }
    let mut projection = state(world);
    fill(&mut projection, &Story::new().facts).await;
    let mut rest = &story.facts[1..];
    let mut from = 1;
    while !rest.is_empty() {
        let (part, later) = rest.split_at((roll(300) as usize + 1).min(rest.len()));
        projection.apply(batch(Target::Main, from, end(part), part)).await.expect("applied");
        (from, rest) = (end(part), later);
    }
    let dump = readers(world).state.dump(None).await.expect("a dump");
    assert_eq!(dump.stored().position, story.facts_end());
    let dumped = lines(dump).await;
    assert!(dumped.len() > 500);
    assert_eq!(dumped, fold_of(&story.facts, Projected::State.kinds()));
}

pub async fn a_dump_of_the_history_equals_the_outcomes(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let mut expected: Vec<String> = story.outcomes.iter().flat_map(outcome_lines).collect();
    expected.sort_unstable();
    assert_eq!(history_lines(&readers).await, expected);
    // keys order the lines, and nothing of a row is left out
    assert!(expected[0].starts_with("change/00000000000000000002/node/"), "{}", expected[0]);
    world.run("UPDATE entity_change SET at_ms = 1 WHERE fact = 2").await;
    assert_ne!(history_lines(&readers).await, expected);
}

pub async fn a_dump_shows_columns_that_differ(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    world.run("UPDATE node SET name = 'wrong' WHERE name = 'acme'").await;
    world.run("UPDATE outcome SET actor = 'mallory', at_ms = 1 WHERE command = 2").await;
    let key = Key::Node(node_id(1)).to_string();
    let line = state_lines(&readers).await.into_iter().find(|line| line.starts_with(&key)).expect("a line");
    assert!(line.ends_with(" differs: name"), "{line}");
    let line = history_lines(&readers).await.into_iter().find(|line| line.starts_with("outcome/00000000000000000002 ")).expect("a line");
    assert!(line.ends_with(" differs: actor, at_ms"), "{line}");
}
