//! What the decider can be told.

use std::time::Duration;

use loki_log::{Partition, Topic};
use loki_wire::Topics;
use loki_wire::signature::Secret;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub topics: Topics,
    /// A transaction takes at most this many commands.
    pub batch_commands: usize,
    /// How long an unfinished batch waits for commands that are on their way. Nothing waits when the end was reached.
    pub batch_wait: Duration,
    /// Signs tasks. Without it hosts do nothing.
    pub signer: Option<Secret>,
}

impl Config {
    pub fn new(topic_prefix: &str) -> Self {
        Self { topics: Topics::new(topic_prefix), batch_commands: 500, batch_wait: Duration::from_millis(5), signer: None }
    }

    /// The consumer group, and the transactional id: one active decider per cell.
    pub(crate) fn group(&self) -> String {
        self.topics.group("decider")
    }
}

/// The partitions of the decider: all its topics have one.
#[derive(Debug, Clone)]
pub(crate) struct Partitions {
    pub(crate) commands: Partition,
    pub(crate) facts: Partition,
    pub(crate) outcomes: Partition,
    pub(crate) dead: Partition,
}

impl Partitions {
    pub(crate) fn of(topics: &Topics) -> Self {
        let only = |name: &str| Partition::only(&Topic::new(name));
        Self { commands: only(&topics.commands), facts: only(&topics.facts), outcomes: only(&topics.outcomes), dead: only(&topics.dead) }
    }
}
