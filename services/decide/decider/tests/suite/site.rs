//! A log to test on, deciders that run on it, and the ways to ask and to read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loki_decider::{Config, Decider, Error};
use loki_domain::Command;
use loki_log::{Log, NewRecord, Partition, Record, Topic, declared};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};
use loki_telemetry::{Component, Health};
use loki_wire::{Envelope, Outcome, Topics, command, outcome};
use tokio::task::JoinHandle;

/// How long a scene waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(90);
const STEP: Duration = Duration::from_millis(200);

/// An empty log with the declared topics, under a prefix of its own.
pub(crate) struct Site {
    pub(crate) log: Arc<dyn Log>,
    /// What deciders see the log through.
    pub(crate) seen: Arc<dyn Log>,
    pub(crate) topics: Topics,
}

impl Site {
    pub(crate) async fn new(log: Arc<dyn Log>, prefix: &str) -> Self {
        let one = std::num::NonZeroU16::MIN;
        let specs: Vec<_> = declared(prefix).into_iter().map(|topic| topic.with_replication(one).spec).collect();
        log.reconcile_topics(&specs, true).await.expect("the topics are created");
        Self { seen: log.clone(), log, topics: Topics::new(prefix) }
    }

    pub(crate) fn group(&self) -> String {
        self.topics.group("decider")
    }

    pub(crate) fn commands(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.commands))
    }

    pub(crate) fn facts(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.facts))
    }

    pub(crate) fn outcomes(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.outcomes))
    }

    pub(crate) fn dead(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.dead))
    }

    pub(crate) fn start(&self) -> Running {
        self.start_on(self.seen.clone(), 200)
    }

    /// A decider that sees the log through another client or a faulty one.
    pub(crate) fn start_on(&self, log: Arc<dyn Log>, batch_commands: usize) -> Running {
        let component = Health::new().component("decider");
        let shutdown = Shutdown::new();
        let config = Config { batch_commands, ..Config::new(&self.topics.prefix) };
        let decider = Decider::new(config, log, component.clone());
        Running { component, handle: task::spawn("decider", decider.run(shutdown.clone())), shutdown }
    }

    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Vec<u64> {
        self.log.append(&self.commands(), records).await.expect("the commands are appended")
    }

    pub(crate) async fn read(&self, partition: &Partition) -> Vec<Record> {
        let mut reader = self.log.reader(partition, 0).await.expect("a reader");
        let watch = Stopwatch::start();
        let mut records = Vec::new();
        loop {
            let batch = reader.read(1_000, STEP).await.expect("a batch");
            records.extend(batch.records);
            if batch.at_end {
                return records;
            }
            assert!(watch.elapsed() < PATIENCE, "the end of {partition} was not reached");
        }
    }

    /// All records, once there are so many: the end of a transaction may reach one partition a little later than another.
    pub(crate) async fn read_all(&self, partition: &Partition, count: usize) -> Vec<Record> {
        let watch = Stopwatch::start();
        loop {
            let records = self.read(partition).await;
            if records.len() >= count {
                return records;
            }
            assert!(watch.elapsed() < PATIENCE, "{} of {count} records are in {partition}", records.len());
        }
    }

    /// Waits until the group's position is this one.
    pub(crate) async fn committed(&self, position: u64) {
        let watch = Stopwatch::start();
        loop {
            let committed = self.log.committed(&self.group(), &self.commands()).await.expect("the group's position");
            if committed.as_ref().is_some_and(|committed| committed.position == position) {
                return;
            }
            assert!(watch.elapsed() < PATIENCE, "the group is at {committed:?}, not at {position}");
        }
    }

    /// Waits until the command at this offset has been answered; the log may be away meanwhile.
    pub(crate) async fn answered_up_to(&self, command: u64) {
        let watch = Stopwatch::start();
        loop {
            let records = match self.log.reader(&self.outcomes(), 0).await {
                Ok(mut reader) => reader.read(100_000, STEP).await.map(|batch| batch.records).unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            let last = records.last().map(|record| outcome::read(record.value.as_ref(), &record.headers).expect("an outcome").command);
            if last >= Some(command) {
                return;
            }
            assert!(watch.elapsed() < PATIENCE, "answered up to {last:?} of {command}");
            task::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many commands have been answered.
    pub(crate) async fn answered(&self, count: usize) -> Vec<Outcome> {
        let mut reader = self.log.reader(&self.outcomes(), 0).await.expect("a reader");
        let watch = Stopwatch::start();
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            let batch = reader.read(1_000, STEP).await.expect("a batch");
            outcomes.extend(batch.records.iter().map(|record| outcome::read(record.value.as_ref(), &record.headers).expect("an outcome")));
            assert!(watch.elapsed() < PATIENCE, "{} of {count} commands were answered", outcomes.len());
        }
        outcomes
    }

    /// Waits until every command that is there, follow-ups included, has been answered.
    pub(crate) async fn all_answered(&self) -> Vec<Outcome> {
        loop {
            let commands = self.read(&self.commands()).await.len();
            let outcomes = self.answered(commands).await;
            if self.read(&self.commands()).await.len() == outcomes.len() {
                return outcomes;
            }
        }
    }
}

/// A decider at work.
pub(crate) struct Running {
    pub(crate) component: Component,
    shutdown: Shutdown,
    handle: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Stops in order.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.end().await.expect("a decider stops without an error");
    }

    /// Stops in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.handle.abort();
        assert!(self.handle.await.is_err_and(|error| error.is_cancelled()));
    }

    /// Waits for it to end by itself.
    pub(crate) async fn end(self) -> Result<(), Error> {
        task::timeout(PATIENCE, self.handle).await.expect("the decider did not end").expect("the decider panicked")
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.handle.is_finished()
    }
}

/// A command as a sender writes it.
pub(crate) fn record(actor: &str, id: &str, asked: &Command) -> NewRecord {
    let mut envelope = Envelope::new(asked.type_name(), command::write(asked));
    envelope.id = Some(id.to_owned());
    envelope.actor = actor.to_owned();
    written(&envelope)
}

pub(crate) fn written(envelope: &Envelope) -> NewRecord {
    NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None }
}

/// A record as a simple producer writes it.
pub(crate) fn bare(text: &str) -> NewRecord {
    NewRecord { value: Some(Bytes::copy_from_slice(text.as_bytes())), ..NewRecord::default() }
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < PATIENCE, "it did not happen: {what}");
        task::sleep(Duration::from_millis(5)).await;
    }
}
