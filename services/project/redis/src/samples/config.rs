//! What the samples' projection is told.

use std::time::Duration;

use loki_log::Topic;

use super::fold::Limits;

#[derive(Debug, Clone)]
pub struct SamplesConfig {
    /// What is projected.
    pub topic: Topic,
    /// Where the log's id lies.
    pub facts_topic: Topic,
    /// The consumer group, prefix included.
    pub group: String,
    /// The most records in one read.
    pub batch_records_max: usize,
    /// How large one step may become. A series takes Redis a few microseconds, and nobody else is served meanwhile.
    pub step: Limits,
    /// How often an idle store's position is read.
    pub check_every: Duration,
    /// How often the log's id is read again.
    pub identify_every: Duration,
    /// How often a store that cannot be used as it is is tried again.
    pub unusable_retry: Duration,
    /// How long a write in hand may take when the partition is taken away or the process stops.
    pub drain: Duration,
}

impl SamplesConfig {
    pub fn new(topic: Topic, facts_topic: Topic, group: impl Into<String>) -> Self {
        Self {
            topic,
            facts_topic,
            group: group.into(),
            batch_records_max: 500,
            step: Limits { series: 1_000, bytes: 1 << 20 },
            check_every: Duration::from_secs(1),
            identify_every: Duration::from_secs(60),
            unusable_retry: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}
