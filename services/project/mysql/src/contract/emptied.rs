//! Stores that were emptied with their own tools, and schemas of other versions.

use std::time::Duration;

use loki_domain::{NodeRef, Position};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_wire::Fact;

use super::World;
use super::given::*;
use crate::port::{NotReady, Page, ReadError};
use crate::{Projected, forget, migrate, rebuilding};

const STATE_TABLES: [&str; 5] = ["node", "server", "mount", "membership", "state_position"];
const HISTORY_TABLES: [&str; 3] = ["outcome", "entity_change", "history_position"];

pub async fn a_store_without_position_is_empty(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let mut projection = state(world);
    assert!(projection.stored().await.expect("read").is_some());
    world.run("DELETE FROM state_position").await;
    assert_eq!(projection.stored().await.expect("read"), None);
    assert_eq!(readers.state.stored().await.expect("read"), None);
    let refused = readers.state.dump(None).await.err();
    assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)));
    assert!(history(world).stored().await.expect("read").is_some());
    fill(&mut projection, &story.facts).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

pub async fn a_store_without_a_table_is_empty(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let (mut facts, mut outcomes) = (state(world), history(world));
    for table in STATE_TABLES {
        world.run(&format!("DROP TABLE {table}")).await;
        assert_eq!(facts.stored().await.expect("read"), None, "{table}");
        let refused = readers.state.dump(None).await.err();
        assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)), "{table}");
        // made again, and empty: the position must not vouch for it
        facts.begin_rebuild(log(1), 0).await.expect("begun");
        let refused = readers.state.dump(None).await.err();
        assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)), "{table}, begun");
        assert_eq!(facts.stored().await.expect("read"), None, "{table}, begun");
        fill(&mut facts, &story.facts).await;
        assert_eq!(state_lines(&readers).await, fold(&story.facts), "{table}");
    }
    let before = history_lines(&readers).await;
    for table in HISTORY_TABLES {
        world.run(&format!("DROP TABLE {table}")).await;
        assert_eq!(outcomes.stored().await.expect("read"), None, "{table}");
        let refused = readers.history.dump(None).await.err();
        assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)), "{table}");
        outcomes.begin_rebuild(log(1), 0).await.expect("begun");
        let refused = readers.history.dump(None).await.err();
        assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)), "{table}, begun");
        fill(&mut outcomes, &story.outcomes).await;
        assert_eq!(history_lines(&readers).await, before, "{table}");
    }
}

/// Its projector finds the request, its readers keep what they have until the swap.
pub async fn a_forgotten_store_is_filled_anew(world: &dyn World) {
    // there is nothing to be forgotten yet
    forget(&world.config(), Projected::State).await.expect("forgotten");
    assert_eq!(rebuilding(&world.config(), Projected::State).await.expect("read"), None);
    let story = busy_story();
    let readers = told(world, &story).await;
    let (last, end) = (Position::fact(story.facts_end() - 1), story.facts_end());
    let mut projection = state(world);
    forget(&world.config(), Projected::State).await.expect("forgotten");
    // a batch that was under way, and a second request, leave the first one as it is
    assert_eq!(projection.apply(batch(Target::Main, end, end + 1, &[])).await.expect("refused"), Applied::Refused);
    forget(&world.config(), Projected::State).await.expect("forgotten");
    assert_eq!(projection.stored().await.expect("read").map(|stored| (stored.state, stored.position)), Some((State::Live, end)));
    assert!(projection.is_asked());
    let told_of = readers.state.stored().await.expect("read").expect("a position");
    assert_eq!((told_of.state, told_of.position), (State::Building, end));
    assert!(history(world).stored().await.expect("read").is_some());

    projection.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(rebuilding(&world.config(), Projected::State).await.expect("read"), Some(0));
    assert_eq!(projection.apply(batch(Target::Shadow, 0, 4, &story.facts[..3])).await.expect("applied"), Applied::Done);
    assert_eq!(rebuilding(&world.config(), Projected::State).await.expect("read"), Some(4));
    assert_eq!(rebuilding(&world.config(), Projected::History).await.expect("read"), None);
    assert!(projection.stored().await.expect("read").is_some() && projection.is_asked());
    readers.state.wait(last, Duration::ZERO).await.expect("passed");
    let answer = readers.state.node(&NodeRef::Id(node_id(1)), Some(last)).await.expect("read");
    assert_eq!(answer.stored.state, State::Live);
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
    fill(&mut projection, &story.facts).await;
    assert_eq!(rebuilding(&world.config(), Projected::State).await.expect("read"), None);
    assert_eq!(readers.state.stored().await.expect("read").map(|stored| stored.state), Some(State::Live));
    assert!(projection.stored().await.expect("read").is_some() && !projection.is_asked());
    assert_eq!(projection.apply(batch(Target::Main, end, end + 1, &[])).await.expect("applied"), Applied::Done);

    // what is not read anyway has nothing to keep
    let (mut outcomes, end) = (history(world), story.outcomes_end());
    let building = Batch { state: State::Building, ..batch(Target::Main, end, end, &[]) };
    assert_eq!(outcomes.apply(building).await.expect("applied"), Applied::Done);
    forget(&world.config(), Projected::History).await.expect("forgotten");
    assert_eq!(outcomes.stored().await.expect("read"), None);
    assert_eq!(readers.history.stored().await.expect("read"), None);
    told(world, &story).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

/// It holds what the log does not have any more: a request for a rebuild is no reason to let anybody read that.
pub async fn a_forgotten_store_can_be_given_up(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let end = story.facts_end();
    let mut projection = state(world);
    forget(&world.config(), Projected::State).await.expect("forgotten");
    let building = || Batch { state: State::Building, ..batch::<Fact>(Target::Main, end, end, &[]) };
    assert_eq!(projection.apply(building()).await.expect("refused"), Applied::Refused);
    let wrong = Batch { ended_ms: Some(Stored::GIVEN_UP_MS), ..building() };
    assert_eq!(projection.apply(wrong).await.expect("applied"), Applied::Done);
    assert!(projection.stored().await.expect("read").is_some_and(|stored| stored.is_given_up()) && !projection.is_asked());
    let refused = readers.state.dump(None).await.err();
    assert_eq!(refused, Some(ReadError::NotReady(NotReady::Building { at: Position::fact(end) })));
    fill(&mut projection, &story.facts).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

pub async fn an_emptied_store_is_made_again(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let before = history_lines(&readers).await;
    let (mut facts, mut outcomes) = (state(world), history(world));
    assert!(facts.stored().await.expect("read").is_some());
    for _ in 0..2 {
        world.empty().await;
        assert_eq!(facts.stored().await.expect("read"), None);
        assert_eq!(outcomes.stored().await.expect("read"), None);
        assert_eq!(readers.state.stored().await.expect("read"), None);
        let refused = readers.history.audit(&crate::port::AuditFilter::default(), &Page::first(1), None).await.err();
        assert_eq!(refused, Some(ReadError::NotReady(NotReady::Empty)));
        // both at once, as their two loops do
        tokio::join!(fill(&mut facts, &story.facts), fill(&mut outcomes, &story.outcomes));
        assert_eq!(state_lines(&readers).await, fold(&story.facts));
        assert_eq!(history_lines(&readers).await, before);
    }
}

pub async fn a_batch_into_an_emptied_store_is_refused(world: &dyn World) {
    let story = busy_story();
    let mut projection = state(world);
    fill(&mut projection, &story.facts).await;
    let end = story.facts_end();
    world.run("DROP TABLE node").await;
    assert_eq!(projection.apply(batch(Target::Main, end, end + 1, &story.facts)).await.expect("refused"), Applied::Refused);
    world.empty().await;
    for target in [Target::Main, Target::Shadow] {
        assert_eq!(projection.apply(batch::<Fact>(target, end, end + 1, &[])).await.expect("refused"), Applied::Refused);
    }
    assert_eq!(projection.finish_rebuild(log(1), end, 1).await.expect("refused"), Applied::Refused);
}

pub async fn another_schema_version_is_refused(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let mut projection = state(world);
    let unusable = |text: &StoreError| match text {
        StoreError::Unusable(text) => text.clone(),
        StoreError::Away(text) => panic!("away: {text}"),
    };

    world.run("INSERT INTO schema_version (version, name) VALUES (99, '0099_from_the_future')").await;
    let text = unusable(&projection.stored().await.expect_err("refused"));
    assert!(text.contains("version 99") && text.contains("newer program"), "{text}");
    unusable(&projection.begin_rebuild(log(1), 0).await.expect_err("refused"));
    assert!(matches!(readers.state.dump(None).await.err(), Some(ReadError::Unusable(_))));
    assert!(migrate(&world.config()).await.is_err());
    world.run("DELETE FROM schema_version WHERE version = 99").await;
    assert!(projection.stored().await.expect("read").is_some());

    world.run("DELETE FROM schema_version WHERE version > 1").await;
    let text = unusable(&projection.stored().await.expect_err("refused"));
    assert!(text.contains("`loki migrate`"), "{text}");
    let text = unusable(&projection.begin_rebuild(log(1), 0).await.expect_err("refused"));
    assert!(text.contains("`loki migrate`"), "{text}");
    assert_eq!(
        migrate(&world.config()).await.expect("migrated"),
        ["0002_create_state", "0003_create_history", "0004_create_runs", "0005_create_task_log"]
    );
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

/// A database that is somebody else's, who has tables of the same names.
pub async fn tables_of_others_are_left_alone(world: &dyn World) {
    migrate(&world.config()).await.expect("migrated");
    for table in world.tables().await {
        world.run(&format!("DROP TABLE {table}")).await;
    }
    for table in ["server", "node_old", "outcome_shadow"] {
        world.run(&format!("CREATE TABLE {table} (asset INTEGER NOT NULL)")).await;
        let told = migrate(&world.config()).await.expect_err("refused").to_string();
        assert!(told.contains(&format!("`{table}`")) && told.contains("use an empty database"), "{told}");
        let begun = state(world).begin_rebuild(log(1), 0).await;
        assert!(matches!(&begun, Err(StoreError::Unusable(text)) if text.contains(table)), "{begun:?}");
        assert_eq!(world.tables().await, [table]);
        world.run(&format!("DROP TABLE {table}")).await;
    }
    assert_eq!(migrate(&world.config()).await.expect("migrated").len(), 5);
}

/// Beside Loki's own tables: of which version they are nobody knows.
pub async fn a_schema_without_version_is_made_again(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    world.run("DROP TABLE schema_version").await;
    assert_eq!(migrate(&world.config()).await.expect("migrated").len(), 5);
    assert_eq!(state(world).stored().await.expect("read"), None);
    fill(&mut state(world), &story.facts).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
    world.run("DROP TABLE schema_version").await;
    fill(&mut state(world), &story.facts).await;
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

pub async fn migrating_twice_does_nothing(world: &dyn World) {
    let config = world.config();
    let (a, b) = tokio::join!(migrate(&config), migrate(&config));
    let (a, b) = (a.expect("migrated"), b.expect("migrated"));
    assert_eq!(a.len() + b.len(), 5, "{a:?} {b:?}");
    assert_eq!(migrate(&config).await.expect("migrated"), Vec::<&str>::new());
    assert_eq!(world.tables().await.len(), 17);
    // a migrated store waits to be filled
    assert_eq!(state(world).stored().await.expect("read"), None);
}
