//! What the clock can be told.

use loki_log::{Partition, Topic};
use loki_wire::Topics;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub topics: Topics,
}

impl Config {
    pub fn new(topic_prefix: &str) -> Self {
        Self { topics: Topics::new(topic_prefix) }
    }

    /// The consumer group: one of its members fires.
    pub(crate) fn group(&self) -> String {
        self.topics.group("clock")
    }

    pub(crate) fn facts(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.facts))
    }

    pub(crate) fn commands(&self) -> Partition {
        Partition::only(&Topic::new(&self.topics.commands))
    }
}
