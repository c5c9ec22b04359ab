//! Both loops against a log in memory: they fill, follow, and make again what was emptied.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loki_domain::NodeRef;
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_mysql::port::{Dump, Page};
use loki_mysql::{Config, HistoryProjection, Projected, Readers, StateProjection, entity_line, forget, outcome_lines};
use loki_runner::projection::{Item, PlacedOutcome};
use loki_runner::testing::{MemoryLog, command, log_id, node, opening, removal};
use loki_runner::{Projection, Runner, RunnerConfig, Status};
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::{Change, Fact, Outcome, Topics, Verdict, WrittenFact};
use sqlx::{Connection, Executor, SqliteConnection};

const PATIENCE: Duration = Duration::from_secs(60);

/// A log with the records of a decider that answered each command.
struct World {
    log: MemoryLog,
    topics: Topics,
    commands: u64,
}

impl World {
    fn new() -> Self {
        let world = Self { log: MemoryLog::simple(false), topics: Topics::new("t-"), commands: 0 };
        world.log.write(&world.facts(), vec![opening(log_id(1))], true);
        world
    }

    fn facts(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.facts))
    }

    fn outcomes(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.outcomes))
    }

    fn accept(&mut self, changes: &[Change]) {
        let number = self.commands;
        self.commands += 1;
        let first = self.log.write(&self.facts(), command(number, changes, true), true);
        let written = (first..).zip(changes).filter_map(|(offset, change)| {
            let json = match change {
                Change::Set(entity) => {
                    let json = String::from_utf8(loki_wire::fact::v1::write_entity(entity)).unwrap();
                    Some(serde_json::value::RawValue::from_string(json).unwrap())
                }
                Change::Removed(_) | Change::Log(_) => None,
            };
            Some(WrittenFact { key: change.key()?, offset, json })
        });
        let facts: Vec<WrittenFact> = written.collect();
        let after = facts.last().map(|fact| fact.offset);
        let outcome = Outcome {
            id: format!("i{number}"),
            actor: "ann".to_owned(),
            kind: "node.create".to_owned(),
            command: number,
            at_ms: 1_000 + number as i64,
            rules: 1,
            previous: [0; 32],
            digest: None,
            verdict: Verdict::Accepted { after, facts },
        };
        let encoded = loki_wire::outcome::write(&outcome, None);
        let record = NewRecord { key: None, value: Some(encoded.value), headers: encoded.headers, timestamp_ms: None };
        self.log.write(&self.outcomes(), vec![record], true);
    }

    /// What the stores' dumps must be.
    fn expected(&self) -> (Vec<String>, Vec<String>) {
        let mut state = std::collections::BTreeMap::new();
        for record in self.log.records(&self.facts()) {
            match Fact::read(&record).unwrap().change {
                Change::Set(entity) => drop(state.insert(entity.key().to_string(), entity_line(&entity))),
                Change::Removed(key) => drop(state.remove(&key.to_string())),
                Change::Log(_) => {}
            }
        }
        let outcomes = self.log.records(&self.outcomes());
        let mut history: Vec<String> = outcomes.iter().flat_map(|record| outcome_lines(&PlacedOutcome::read(record).unwrap())).collect();
        history.sort_unstable();
        (state.into_values().collect(), history)
    }
}

/// A loop as the process starts it.
fn runner<P: Projection>(world: &World, projection: P, topic: &str, health: &Health) -> Runner<P> {
    let log: Arc<dyn Log> = Arc::new(world.log.clone());
    let group = world.topics.group(projection.name());
    let config = RunnerConfig {
        batch_records_max: 10,
        rebuild_records_max: 50,
        ..RunnerConfig::new(Topic::new(topic), Topic::new(&world.topics.facts), group)
    };
    Runner::new(projection, log, config, Clock::system(), health)
}

async fn lines(mut dump: Box<dyn Dump>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let next = dump.next().await.unwrap();
        if next.is_empty() {
            return lines;
        }
        lines.extend(next);
    }
}

async fn caught_up(statuses: &[Status; 2], world: &World) {
    for (status, partition) in statuses.iter().zip([world.facts(), world.outcomes()]) {
        let end = world.log.bounds(&partition).await.unwrap().end;
        let at_end = status.until(|now| now.is_caught_up() && now.position().is_some_and(|position| position >= end));
        assert!(task::timeout(PATIENCE, at_end).await.is_some(), "{:?}", status.now());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_are_filled_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = Config::sqlite(&file);
    let mut world = World::new();
    world.accept(&[node(1, "acme"), node(2, "shop")]);

    let health = Health::new();
    let state = runner(&world, StateProjection::state(&store).unwrap(), &world.topics.facts, &health);
    let history = runner(&world, HistoryProjection::history(&store).unwrap(), &world.topics.outcomes, &health);
    let (statuses, control) = ([state.status(), history.status()], state.control());
    let shutdown = Shutdown::new();
    let running = [task::spawn("state", state.run(shutdown.clone())), task::spawn("history", history.run(shutdown.clone()))];

    let readers = Readers::open(&store).unwrap();
    caught_up(&statuses, &world).await;
    for i in 0..40 {
        world.accept(&[node(i % 7, &format!("n{i}")), node(100 + i, "x")]);
        world.accept(&[removal(100 + i)]);
    }
    caught_up(&statuses, &world).await;
    let expected = world.expected();
    assert_eq!(lines(readers.state.dump(None).await.unwrap()).await, expected.0);
    assert_eq!(lines(readers.history.dump(None).await.unwrap()).await, expected.1);
    assert!(health.report().ready, "{:?}", health.report());

    // emptied with the store's own tools while it runs
    let mut operator = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    operator.execute("DROP TABLE node").await.unwrap();
    operator.execute("DELETE FROM history_position").await.unwrap();
    let refilled = async {
        while readers.state.dump(None).await.is_err() || readers.history.dump(None).await.is_err() {
            task::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(task::timeout(PATIENCE, refilled).await.is_some());
    assert_eq!(lines(readers.state.dump(None).await.unwrap()).await, expected.0);
    assert_eq!(lines(readers.history.dump(None).await.unwrap()).await, expected.1);

    // rebuilt on demand: what a dump does not find is gone
    operator.execute("UPDATE node SET name = 'wrong'").await.unwrap();
    control.rebuild();
    let rebuilt = async {
        while lines(readers.state.dump(None).await.unwrap()).await != expected.0 {
            task::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(task::timeout(PATIENCE, rebuilt).await.is_some());

    // the same from another process: who reads meanwhile has an answer
    operator.execute("UPDATE node SET name = 'wrong again'").await.unwrap();
    forget(&store, Projected::State).await.unwrap();
    let rebuilt = async {
        while lines(readers.state.dump(None).await.unwrap()).await != expected.0 {
            task::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(task::timeout(PATIENCE, rebuilt).await.is_some());
    caught_up(&statuses, &world).await;

    world.accept(&[node(9, "later")]);
    let after = loki_domain::Position::fact(world.log.records(&world.facts()).last().unwrap().offset);
    readers.state.wait(after, PATIENCE).await.unwrap();
    let found = readers.state.node(&NodeRef::Path("/later".parse().unwrap()), Some(after)).await.unwrap();
    assert!(found.value.is_some());
    let audit = readers.history.audit(&loki_mysql::port::AuditFilter::default(), &Page::first(1), None).await.unwrap();
    assert_eq!(audit.value.items.len(), 1);

    shutdown.begin();
    for ended in running {
        task::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_cannot_be_read_stops_only_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = Config::sqlite(folder.path().join("store.db"));
    let mut world = World::new();
    world.accept(&[node(1, "acme")]);
    let bad = NewRecord { value: Some(Bytes::from_static(b"{}")), ..NewRecord::default() };
    world.log.write(&world.outcomes(), vec![bad], true);
    let health = Health::new();
    let state = runner(&world, StateProjection::state(&store).unwrap(), &world.topics.facts, &health);
    let history = runner(&world, HistoryProjection::history(&store).unwrap(), &world.topics.outcomes, &health);
    let (facts, outcomes) = (state.status(), history.status());
    let shutdown = Shutdown::new();
    let running = [task::spawn("state", state.run(shutdown.clone())), task::spawn("history", history.run(shutdown.clone()))];
    let stopped = outcomes.until(|now| now.phase == loki_runner::Phase::Stopped);
    assert!(task::timeout(PATIENCE, stopped).await.is_some(), "{:?}", outcomes.now());
    let live = facts.until(loki_runner::Snapshot::is_caught_up);
    assert!(task::timeout(PATIENCE, live).await.is_some(), "{:?}", facts.now());
    assert!(!health.report().ready);
    shutdown.begin();
    for ended in running {
        task::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    }
}
