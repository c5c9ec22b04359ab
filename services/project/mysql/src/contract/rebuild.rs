//! Rebuilding beside the generation that is read.

use loki_domain::ServerState;
use loki_runner::{Applied, Projection, State, Target};
use loki_wire::Fact;

use super::World;
use super::given::*;
use crate::{Readers, migrate};

pub async fn a_rebuild_replaces_everything_at_once(world: &dyn World) {
    let mut old = Story::new();
    old.accept(vec![set_node(node(1, 0, "old")), set_server(server(1, "old01", ServerState::Online)), set_mount(mount(1, 1))]);
    let readers = told(world, &old).await;
    let new = busy_story();
    let mut projection = state(world);

    projection.begin_rebuild(log(2), 5).await.expect("begun");
    assert_eq!(state_lines(&readers).await, fold(&old.facts));
    let batch = |from, to, items| loki_runner::Batch { log: log(2), ..batch::<Fact>(Target::Shadow, from, to, items) };
    let end = new.facts_end() + 5;
    assert_eq!(projection.apply(batch(5, end, &new.facts)).await.expect("applied"), Applied::Done);
    // what is read is still the old one, and can still be written
    let stored = projection.stored().await.expect("read").expect("a position");
    assert_eq!((stored.log, stored.position, stored.state), (log(1), old.facts_end(), State::Live));
    assert_eq!(state_lines(&readers).await, fold(&old.facts));

    assert_eq!(projection.finish_rebuild(log(2), end, 7_000).await.expect("finished"), Applied::Done);
    let stored = projection.stored().await.expect("read").expect("a position");
    assert_eq!((stored.log, stored.position, stored.state, stored.ended_ms), (log(2), end, State::Live, 7_000));
    assert_eq!(state_lines(&readers).await, fold(&new.facts));
}

pub async fn a_finish_elsewhere_is_refused(world: &dyn World) {
    let mut story = Story::new();
    story.accept(vec![set_node(node(1, 0, "acme"))]);
    let mut projection = state(world);
    // nothing was begun
    assert_eq!(projection.finish_rebuild(log(1), 0, 1).await.expect("refused"), Applied::Refused);
    fill(&mut projection, &story.facts).await;
    assert_eq!(projection.finish_rebuild(log(1), story.facts_end(), 1).await.expect("refused"), Applied::Refused);

    projection.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(projection.apply(batch::<Fact>(Target::Shadow, 0, 9, &[])).await.expect("applied"), Applied::Done);
    for (log, at) in [(log(1), 8), (log(1), 10), (log(2), 9)] {
        assert_eq!(projection.finish_rebuild(log, at, 1).await.expect("refused"), Applied::Refused);
    }
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
    assert_eq!(projection.finish_rebuild(log(1), 9, 1).await.expect("finished"), Applied::Done);
    assert_eq!(state_lines(&readers(world)).await, Vec::<String>::new());
}

pub async fn a_rebuild_begun_anew_begins_empty(world: &dyn World) {
    let story = busy_story();
    let (mut stale, mut projection) = (state(world), state(world));
    stale.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(stale.apply(batch(Target::Shadow, 0, 9, &story.facts[..4])).await.expect("applied"), Applied::Done);
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    // the one that was declared dead goes on, and is told
    assert_eq!(stale.apply(batch(Target::Shadow, 9, 20, &story.facts)).await.expect("refused"), Applied::Refused);
    assert_eq!(stale.finish_rebuild(log(1), 9, 1).await.expect("refused"), Applied::Refused);
    assert_eq!(projection.apply(batch::<Fact>(Target::Shadow, 0, 3, &[])).await.expect("applied"), Applied::Done);
    assert_eq!(projection.finish_rebuild(log(1), 3, 1).await.expect("finished"), Applied::Done);
    assert_eq!(state_lines(&readers(world)).await, Vec::<String>::new());
}

/// The process ended between marking the shadow live and swapping: another one begins again, readers keep the old generation.
pub async fn a_rebuild_resumes_after_a_swap_was_interrupted(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let mut first = state(world);
    first.begin_rebuild(log(1), 0).await.expect("begun");
    drop(first);
    world.run("UPDATE state_position_shadow SET state = 'live', position = 3").await;
    // what a swap leaves that was not followed by its clean-up
    world.run("CREATE TABLE node_old (id INT)").await;
    world.run("CREATE TABLE state_position_old (id INT)").await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
    fill(&mut state(world), &story.facts).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
    assert!(world.tables().await.iter().all(|table| !table.ends_with("_old") && !table.ends_with("_shadow")), "{:?}", world.tables().await);
}

pub async fn projections_are_rebuilt_alone(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let before = history_lines(&readers).await;
    fill(&mut state(world), &Story::new().facts).await;
    assert_eq!(state_lines(&readers).await, Vec::<String>::new());
    assert_eq!(history_lines(&readers).await, before);
    let mut projection = history(world);
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(history_lines(&readers).await, before);
}

/// Migrated, made again after a drop, filled as a shadow, swapped in: there is one definition.
pub async fn all_ways_make_the_same_tables(world: &dyn World) {
    migrate(&world.config()).await.expect("migrated");
    let names = world.tables().await;
    assert_eq!(names.len(), 17, "{names:?}");
    let mut shapes = Vec::new();
    for name in &names {
        shapes.push(world.shape(name).await);
    }
    let mut again = Vec::new();
    for round in 0..2 {
        fill(&mut state(world), &busy_story().facts).await;
        fill(&mut history(world), &busy_story().outcomes).await;
        fill(&mut task_logs(world), &[]).await;
        again.clear();
        for name in &names {
            again.push(world.shape(name).await);
        }
        assert_eq!(again, shapes, "rebuilt, round {round}");
    }
    for name in names.iter().filter(|name| *name != "schema_version") {
        world.run(&format!("DROP TABLE {name}")).await;
    }
    state(world).begin_rebuild(log(1), 0).await.expect("begun");
    history(world).begin_rebuild(log(1), 0).await.expect("begun");
    task_logs(world).begin_rebuild(log(1), 0).await.expect("begun");
    for (name, shape) in names.iter().zip(&shapes) {
        assert_eq!(&world.shape(name).await, shape, "made again: {name}");
    }
    world.empty().await;
    state(world).begin_rebuild(log(1), 0).await.expect("begun");
    for (name, shape) in names.iter().zip(&shapes) {
        assert_eq!(&world.shape(name).await, shape, "after everything was dropped: {name}");
    }
}

pub async fn nothing_is_left_of_a_rebuild(world: &dyn World) {
    let story = busy_story();
    for _ in 0..3 {
        told(world, &story).await;
    }
    let expected = [
        "batch",
        "entity_change",
        "history_position",
        "membership",
        "mount",
        "node",
        "outcome",
        "package",
        "run",
        "schema_version",
        "server",
        "state_position",
        "task",
        "task_log",
        "task_log_position",
        "template",
        "token",
    ];
    assert_eq!(world.tables().await, expected);
}

/// Two members rebuild at the same time, step by step against each other. Whatever each is told, the store ends consistent: its tables are what
/// its position says.
pub async fn two_members_may_rebuild_at_once(world: &dyn World) {
    let story = busy_story();
    migrate(&world.config()).await.expect("migrated");
    let member = async |mut projection: crate::StateProjection| {
        let (mut finished, mut looked) = (0, 0);
        let readers = readers(world);
        for _ in 0..8 {
            if projection.begin_rebuild(log(1), 0).await.is_err() {
                continue;
            }
            let mut from = 0;
            for part in story.facts.chunks(3) {
                match projection.apply(batch(Target::Shadow, from, end(part), part)).await {
                    Ok(Applied::Done) => from = end(part),
                    Ok(Applied::Refused) | Err(_) => break,
                }
            }
            if from == story.facts_end() && matches!(projection.finish_rebuild(log(1), from, 1).await, Ok(Applied::Done)) {
                finished += 1;
            }
            looked += u32::from(look(&readers, &story).await);
        }
        (finished, looked)
    };
    let (a, b) = tokio::join!(member(state(world)), member(state(world)));
    // alone again, whoever is left succeeds
    fill(&mut state(world), &story.facts).await;
    assert!(look(&readers(world), &story).await, "{a:?} and {b:?}: finished, looked");
    assert_eq!(state_lines(&readers(world)).await, fold(&story.facts));
}

/// Whether the store could be read; then its tables are what its position says.
async fn look(readers: &Readers, story: &Story) -> bool {
    let Ok(mut dump) = readers.state.dump(None).await else { return false };
    let position = dump.stored().position;
    let mut lines = Vec::new();
    loop {
        match dump.next().await {
            Ok(next) if next.is_empty() => break,
            Ok(next) => lines.extend(next),
            // swapped meanwhile
            Err(_) => return false,
        }
    }
    let known: Vec<Fact> = story.facts.iter().filter(|fact| fact.offset < position).cloned().collect();
    assert_eq!(lines, fold(&known), "at {position}");
    true
}
