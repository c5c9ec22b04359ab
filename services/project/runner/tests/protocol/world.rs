//! A log, a store, and loops between them.

use std::time::Duration;

use loki_log::{Partition, Topic};
use loki_runner::testing::{Fault, MemoryLog, MemoryStore, command, fold, log_id, node, opening};
use loki_runner::{Control, Error, Runner, RunnerConfig, Snapshot, State, Status};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::Change;
use tokio::task::JoinHandle;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const GROUP: &str = "store";
pub(crate) const NAME: &str = "memory";

pub(crate) struct World {
    pub log: MemoryLog,
    pub store: MemoryStore,
    pub facts: Partition,
    pub config: RunnerConfig,
    pub clock: Clock,
    pub commands: u64,
}

/// A running loop.
pub(crate) struct Running {
    pub status: Status,
    pub control: Control,
    pub health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Error>>,
}

/// Waits that a test can afford.
pub(crate) fn quick(mut config: RunnerConfig) -> RunnerConfig {
    config.check_every = Duration::from_millis(20);
    config.commit_every = Duration::from_millis(10);
    config.store_timeout = Duration::from_millis(150);
    config.rebuild_timeout = Duration::from_millis(150);
    config.backoff = (Duration::from_millis(1), Duration::from_millis(10));
    config.unusable_retry = Duration::from_millis(10);
    config.drain = Duration::from_millis(300);
    config.stand_by_after = Duration::from_millis(50);
    config
}

impl World {
    /// A log that has an id.
    pub(crate) fn new() -> Self {
        let world = Self::without_id(MemoryLog::simple(false));
        world.log.write(&world.facts, vec![opening(log_id(1))], false);
        world
    }

    pub(crate) fn as_kafka() -> Self {
        let world = Self::without_id(MemoryLog::simple(true));
        world.log.write(&world.facts, vec![opening(log_id(1))], true);
        world
    }

    pub(crate) fn without_id(log: MemoryLog) -> Self {
        let topic = Topic::new("facts");
        Self {
            log,
            store: MemoryStore::new(),
            facts: Partition::only(&topic),
            config: quick(RunnerConfig::new(topic.clone(), topic, GROUP)),
            clock: Clock::system(),
            commands: 0,
        }
    }

    /// One command that names these nodes.
    pub(crate) fn append(&mut self, nodes: impl IntoIterator<Item = u32>) {
        self.append_as(nodes, true, false);
    }

    pub(crate) fn append_as(&mut self, nodes: impl IntoIterator<Item = u32>, flagged: bool, marker: bool) {
        self.commands += 1;
        let changes: Vec<Change> = nodes.into_iter().map(|n| node(n, &format!("n{n}-{}", self.commands))).collect();
        self.log.write(&self.facts, command(self.commands, &changes, flagged), marker);
    }

    /// So many commands of two facts each.
    pub(crate) fn append_many(&mut self, commands: u32) {
        for n in 0..commands {
            self.append([n, n + 1]);
        }
    }

    pub(crate) fn run(&self) -> Running {
        let health = Health::new();
        let runner = Runner::new(
            self.store.projection(NAME),
            std::sync::Arc::new(self.log.clone()),
            self.config.clone(),
            self.clock.clone(),
            &health,
        );
        let (status, control, shutdown) = (runner.status(), runner.control(), Shutdown::new());
        let task = task::spawn("runner", runner.run(shutdown.clone()));
        Running { status, control, health, shutdown, task }
    }

    /// The store has everything, live, and says so.
    pub(crate) async fn caught_up(&self, running: &Running) {
        eventually("the store has everything", || {
            let stored = self.store.stored();
            stored.is_some_and(|stored| stored.position == self.log.end(&self.facts) && stored.state == State::Live)
        })
        .await;
        running.until("caught up", Snapshot::is_caught_up).await;
        self.agree();
    }

    /// The store is the fold of the log, and no batch was applied twice, skipped or cut.
    pub(crate) fn agree(&self) {
        let main = self.store.main().expect("a filled store");
        let records = self.log.records(&self.facts);
        assert_eq!(main.rows, fold(&records));
        assert_eq!(main.applied, records.iter().map(|record| record.offset).collect::<Vec<_>>());
        assert_eq!(self.store.breaches(), Vec::<String>::new());
    }

    pub(crate) fn end(&self) -> u64 {
        self.log.end(&self.facts)
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.store.fail_next(faults.into_iter().map(Some));
    }
}

impl Running {
    pub(crate) async fn until(&self, what: &str, holds: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        match task::timeout(PATIENCE, self.status.until(holds)).await {
            Some(Some(snapshot)) => snapshot,
            _ => panic!("never {what}: {:?}", self.status.now()),
        }
    }

    pub(crate) fn why_not_ready(&self) -> Option<String> {
        let report = self.health.report();
        (!report.ready).then(|| report.components[NAME].clone())
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.ended().await.expect("an orderly end");
    }

    pub(crate) fn begin_stop(&self) {
        self.shutdown.begin();
    }

    pub(crate) async fn ended(self) -> Result<(), Error> {
        task::timeout(PATIENCE, self.task).await.expect("the loop ends").expect("without a panic")
    }

    /// As kill -9 does: no goodbye.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

/// Waits for a condition that nobody announces.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < PATIENCE, "never: {what}");
        task::sleep(Duration::from_millis(2)).await;
    }
}
