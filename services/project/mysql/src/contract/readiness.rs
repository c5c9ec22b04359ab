//! When there is no answer yet.

use std::time::Duration;

use loki_domain::{NodeRef, Position};
use loki_runner::{Applied, Batch, Projection, State, Target};
use loki_wire::Fact;

use super::World;
use super::given::*;
use crate::port::{AuditFilter, Moment, NotReady, Page, ReadError, ServerFilter};
use crate::{Config, Readers};

/// Asks every question and expects the same refusal of each.
async fn all_refuse(
    readers: &Readers,
    facts_at_least: Option<Position>,
    commands_at_least: Option<Position>,
    why: impl Fn(&NotReady) -> bool,
) {
    let (state, history) = (&readers.state, &readers.history);
    let (f, c) = (facts_at_least, commands_at_least);
    let (node, key, page) = (NodeRef::Id(node_id(1)), loki_domain::Key::Node(node_id(1)), Page::first(10));
    let server = loki_domain::ServerRef::Id(server_id(1));
    let now = Moment::Time(i64::MAX);
    let refusals = [
        state.node(&node, f).await.err(),
        state.children(&node, &page, f).await.err(),
        state.server(&server, f).await.err(),
        state.servers(&ServerFilter::default(), &page, f).await.err(),
        state.dump(f).await.err(),
        history.outcome(0, c).await.err(),
        history.outcomes_by_id("i0", None, c).await.err(),
        history.audit(&AuditFilter::default(), &page, c).await.err(),
        history.state_at(&[loki_domain::Kind::Node], now, c).await.err(),
        history.diff(now, now, &page, c).await.err(),
        history.versions(&key, &page, c).await.err(),
        history.written(0, c).await.err(),
        history.dump(c).await.err(),
    ];
    for (i, refusal) in refusals.into_iter().enumerate() {
        let Some(ReadError::NotReady(reason)) = &refusal else { panic!("question {i}: {refusal:?}") };
        assert!(why(reason), "question {i}: {reason:?}");
    }
}

pub async fn a_store_that_is_being_filled_is_not_read(world: &dyn World) {
    let story = busy_story();
    let readers = readers(world);
    all_refuse(&readers, None, None, |reason| *reason == NotReady::Empty).await;
    let (mut facts, mut outcomes) = (state(world), history(world));
    facts.begin_rebuild(log(1), 0).await.expect("begun");
    outcomes.begin_rebuild(log(1), 0).await.expect("begun");
    assert_eq!(facts.apply(batch(Target::Shadow, 0, 4, &story.facts[..3])).await.expect("applied"), Applied::Done);
    all_refuse(&readers, None, None, |reason| *reason == NotReady::Empty).await;

    fill(&mut facts, &story.facts).await;
    fill(&mut outcomes, &story.outcomes).await;
    let (f, o) = (story.facts_end(), story.outcomes_end());
    let building = Batch { state: State::Building, ..batch(Target::Main, f, f, &[]) };
    assert_eq!(facts.apply(building).await.expect("applied"), Applied::Done);
    let building = Batch { state: State::Building, ..batch(Target::Main, o, o, &[]) };
    assert_eq!(outcomes.apply(building).await.expect("applied"), Applied::Done);
    all_refuse(&readers, None, None, |reason| matches!(reason, NotReady::Building { .. })).await;
    // a status page may look at it
    assert_eq!(readers.state.stored().await.expect("read").map(|stored| stored.state), Some(State::Building));

    assert_eq!(facts.apply(batch(Target::Main, f, f, &[])).await.expect("applied"), Applied::Done);
    assert_eq!(state_lines(&readers).await, fold(&story.facts));
}

pub async fn too_many_questions_are_told_so(world: &dyn World) {
    let _filled = told(world, &busy_story()).await;
    let config = Config { connections_max: 1, connect_timeout: Duration::from_secs(1), ..world.config() };
    let readers = Readers::open(&config).expect("settings");
    let node = NodeRef::Id(node_id(1));
    // it keeps its connection
    let dump = readers.state.dump(None).await.expect("a dump");
    assert_eq!(readers.state.node(&node, None).await.err(), Some(NotReady::Crowded.into()), "the store is not away");
    drop(dump);
    while let Err(error) = readers.state.node(&node, None).await {
        assert!(matches!(error, ReadError::NotReady(NotReady::Crowded) | ReadError::Away(_)), "{error}");
    }
}

pub async fn a_store_behind_is_not_read(world: &dyn World) {
    let story = busy_story();
    let readers = told(world, &story).await;
    let fact = story.facts.last().expect("a fact").offset;
    let command = story.outcomes.last().expect("an outcome").outcome.command;
    let (next_fact, next_command) = (Position::fact(fact + 1), Position::command(command + 1));
    all_refuse(&readers, Some(next_fact), Some(next_command), |reason| matches!(reason, NotReady::Behind { .. })).await;
    let next_outcome = Position::outcome(story.outcomes_end());
    all_refuse(&readers, Some(next_fact), Some(next_outcome), |reason| matches!(reason, NotReady::Behind { .. })).await;

    let node = NodeRef::Id(node_id(1));
    let answer = readers.state.node(&node, Some(Position::fact(fact))).await.expect("read");
    assert_eq!(answer.stored.position, fact + 1);
    let answer = readers.history.outcome(0, Some(Position::command(command))).await.expect("read");
    assert_eq!(answer.stored.position, story.outcomes_end());
    readers.history.outcome(0, Some(Position::outcome(story.outcomes_end() - 1))).await.expect("read");

    // a moment that has not come
    let future = Moment::Position(Position::command(command + 1));
    let refused = readers.history.state_at(&[], future, None).await.err();
    assert!(matches!(refused, Some(ReadError::NotReady(NotReady::Behind { .. }))), "{refused:?}");
}

/// The server was stopped and its files replaced by an older copy: what was answered before must not be taken back.
pub async fn a_store_that_was_set_back_is_not_read(world: &dyn World) {
    let mut story = busy_story();
    let readers = told(world, &story).await;
    let (back_to, known) = (story.facts_end(), story.facts.len());
    story.accept(vec![set_node(node(9, 0, "new"))]);
    let mut projection = state(world);
    projection.apply(batch(Target::Main, back_to, story.facts_end(), &story.facts[known..])).await.expect("applied");
    let node = NodeRef::Id(node_id(9));
    assert!(readers.state.node(&node, None).await.expect("read").value.is_some());

    world.run(&format!("UPDATE state_position SET position = {back_to}")).await;
    let refused = readers.state.node(&node, None).await.err();
    assert!(matches!(refused, Some(ReadError::NotReady(NotReady::SetBack { .. }))), "{refused:?}");
    // a reader that has answered nothing cannot know; the loop marks the store within a second
    assert!(super::given::readers(world).state.node(&node, None).await.is_ok());

    projection.apply(batch(Target::Main, back_to, story.facts_end(), &story.facts[known..])).await.expect("applied");
    assert!(readers.state.node(&node, None).await.expect("read").value.is_some());
    // rebuilt later from a log that was itself set back: that is the truth now
    let mut projection = state(world);
    projection.begin_rebuild(log(1), 0).await.expect("begun");
    projection.finish_rebuild(log(1), 0, ENDED_MS + 1).await.expect("finished");
    assert_eq!(readers.state.node(&node, None).await.expect("read").value, None);
}

pub async fn a_position_of_another_stream_is_invalid(world: &dyn World) {
    let readers = told(world, &busy_story()).await;
    let node = NodeRef::Id(node_id(1));
    for position in [Position::command(0), Position::outcome(0)] {
        assert!(matches!(readers.state.node(&node, Some(position)).await.err(), Some(ReadError::Invalid { field: "after", .. })));
        let waited = readers.state.wait(position, Duration::from_secs(60)).await;
        assert!(matches!(waited, Err(ReadError::Invalid { field: "after", .. })));
    }
    let refused = readers.history.outcome(0, Some(Position::fact(0))).await.err();
    assert!(matches!(refused, Some(ReadError::Invalid { field: "after", .. })));
}

pub async fn who_waits_is_woken(world: &dyn World) {
    let mut story = busy_story();
    let readers = told(world, &story).await;
    let (facts_from, facts_known) = (story.facts_end(), story.facts.len());
    let (outcomes_from, outcomes_known) = (story.outcomes_end(), story.outcomes.len());
    let command = story.accept(vec![set_node(node(9, 0, "new"))]);
    let fact = story.facts_end() - 1;
    // passed already
    readers.state.wait(Position::fact(facts_from - 1), Duration::ZERO).await.expect("passed");

    let long = Duration::from_secs(60);
    let (mut facts, mut outcomes) = (state(world), history(world));
    let write = async {
        facts.apply(batch::<Fact>(Target::Main, facts_from, story.facts_end(), &story.facts[facts_known..])).await.expect("applied");
        outcomes.apply(batch(Target::Main, outcomes_from, story.outcomes_end(), &story.outcomes[outcomes_known..])).await.expect("applied");
    };
    let (first, second, third, ()) = tokio::join!(
        readers.state.wait(Position::fact(fact), long),
        readers.state.wait(Position::fact(fact), long),
        readers.history.wait(Position::command(command), long),
        write
    );
    assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
    let answer = readers.state.node(&NodeRef::Id(node_id(9)), Some(Position::fact(fact))).await.expect("read");
    assert!(answer.value.is_some());
}

pub async fn who_waits_too_long_is_told_why(world: &dyn World) {
    let readers = told(world, &busy_story()).await;
    let short = Duration::from_millis(30);
    let far = Position::fact(1_000_000);
    // twice: the one who asks the store for all comes and goes
    for _ in 0..2 {
        let waited = readers.state.wait(far, short).await;
        assert!(matches!(waited, Err(ReadError::NotReady(NotReady::Behind { at_least, .. })) if at_least == far), "{waited:?}");
    }
    world.empty().await;
    assert_eq!(readers.history.wait(Position::command(0), short).await, Err(ReadError::NotReady(NotReady::Empty)));
}
