//! A log on a broker of its own, with the declared topics.

use std::num::NonZeroU16;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use loki_core::generate::Asked;
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic, declared};
use loki_runtime::{Shutdown, task};
use loki_telemetry::Health;
use loki_testing::real::{self, Running};
use loki_wire::{Envelope, Topics, command};
use tokio::task::JoinHandle;

/// Records in one append.
const APPENDED: usize = 5_000;

pub(crate) struct Site {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topics: Topics,
    /// Lives as long as this.
    broker: Running,
}

/// A decider in this process.
pub(crate) struct Deciding {
    shutdown: Shutdown,
    handle: JoinHandle<Result<(), loki_decider::Error>>,
}

impl Site {
    pub(crate) async fn start() -> Result<Self> {
        let broker = crate::backends::start(&real::Kafka).await?;
        let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(Config::new(broker.address()))?);
        let specs: Vec<_> = declared("").into_iter().map(|topic| topic.with_replication(NonZeroU16::MIN).spec).collect();
        log.reconcile_topics(&specs, true).await?;
        Ok(Self { log, topics: Topics::new(""), broker })
    }

    /// `bootstrap.servers`, for clients of their own.
    pub(crate) fn brokers(&self) -> String {
        self.broker.address()
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

    /// The decider with its default settings.
    pub(crate) fn decide(&self) -> Deciding {
        let shutdown = Shutdown::new();
        let config = loki_decider::Config::new(&self.topics.prefix);
        let decider = loki_decider::Decider::new(config, self.log.clone(), Health::new().component("decider"));
        Deciding { handle: task::spawn("decider", decider.run(shutdown.clone())), shutdown }
    }

    /// Appends in large parts; gives the last offset.
    pub(crate) async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<u64> {
        let mut records = records.into_iter().peekable();
        let mut last = None;
        while records.peek().is_some() {
            let some = records.by_ref().take(APPENDED).collect();
            last = self.log.append(partition, some).await?.last().copied().or(last);
        }
        last.context("nothing was appended")
    }

    /// Waits until the deciders' group has passed this command.
    pub(crate) async fn decided(&self, command: u64) -> Result<()> {
        let wait = async {
            loop {
                let committed = self.log.committed(&self.topics.group("decider"), &self.commands()).await?;
                if committed.is_some_and(|committed| committed.position > command) {
                    return Ok(());
                }
                task::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        task::timeout(std::time::Duration::from_secs(300), wait).await.context("the commands are not decided")?
    }
}

impl Deciding {
    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.begin();
        Ok(self.handle.await??)
    }
}

/// A command as a sender writes it.
pub(crate) fn record(asked: &Asked) -> NewRecord {
    let mut envelope = Envelope::new(asked.command.type_name(), command::write(&asked.command));
    envelope.id = Some(asked.id.clone());
    envelope.actor.clone_from(&asked.actor);
    NewRecord { key: None, value: Some(Bytes::clone(&envelope.data)), headers: envelope.headers(), timestamp_ms: None }
}
