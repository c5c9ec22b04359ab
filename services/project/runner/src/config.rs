//! What the loop is told. The defaults are the design's; stores with other limits (a `multi` of at most a megabyte) set their own.

use std::time::Duration;

use loki_log::Topic;

/// Settings of one projection's loop.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// What is projected. One partition.
    pub topic: Topic,
    /// Where the log's id lies.
    pub facts_topic: Topic,
    /// The consumer group, prefix included.
    pub group: String,
    /// The most records in one read, and in one batch of a live store.
    pub batch_records_max: usize,
    /// The same while a store is being filled: nobody waits for a single record then, and larger steps are cheaper.
    pub rebuild_records_max: usize,
    /// The most bytes in one batch; a single command may be larger than that and is still applied whole.
    pub batch_bytes_max: usize,
    /// The most records of one command. More of them stop the partition.
    pub command_records_max: usize,
    /// How long the topic keeps every record; `None` when it does so for ever. What is older may have been superseded and gone.
    pub steps_kept_ms: Option<i64>,
    /// How long the topic keeps removals; `None` when it keeps everything.
    pub removals_kept_ms: Option<i64>,
    /// How often an idle store's position and the log's end are read.
    pub check_every: Duration,
    /// How often a store that is idle at the end is told so, and the log's id is read again.
    pub touch_every: Duration,
    /// How often the group's offset is stored, at most.
    pub commit_every: Duration,
    /// A store's answer that takes longer counts as away.
    pub store_timeout: Duration,
    /// The same for making and swapping a generation: tables are dropped and renamed.
    pub rebuild_timeout: Duration,
    /// The first and the longest wait after a failure.
    pub backoff: (Duration, Duration),
    /// How often a store that cannot be used as it is is tried again.
    pub unusable_retry: Duration,
    /// How long a write in hand may take when the partition is taken away or the process stops.
    pub drain: Duration,
    /// A member without a partition for so long is a stand-by, and ready as such.
    pub stand_by_after: Duration,
}

impl RunnerConfig {
    pub fn new(topic: Topic, facts_topic: Topic, group: impl Into<String>) -> Self {
        Self {
            topic,
            facts_topic,
            group: group.into(),
            batch_records_max: 1_000,
            rebuild_records_max: 5_000,
            batch_bytes_max: 8 << 20,
            command_records_max: 1_000,
            steps_kept_ms: None,
            removals_kept_ms: None,
            check_every: Duration::from_secs(1),
            touch_every: Duration::from_secs(60),
            commit_every: Duration::from_secs(1),
            store_timeout: Duration::from_secs(30),
            rebuild_timeout: Duration::from_secs(120),
            backoff: (Duration::from_millis(50), Duration::from_secs(5)),
            unusable_retry: Duration::from_secs(5),
            drain: Duration::from_secs(10),
            stand_by_after: Duration::from_secs(10),
        }
    }
}
