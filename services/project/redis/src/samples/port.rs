//! The promises: of a store of samples, partition by partition, and of the reader over all of them. `contract` tests them against every adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{LogId, Metric, Series};
use loki_runner::{Applied, State, StoreError, Stored};

use super::fold::Step;
use super::lines::Last;

/// Hosts that one question may name.
pub const HOSTS_MAX: usize = 1_000;
/// Series that one question looks at, at most, in each partition: the store does nothing else meanwhile.
pub const EXAMINED_MAX: usize = 2_000;

/// What is removed by a step that brings nothing. It takes as long as writing some hundred values.
const REMOVED_MIN: usize = 1_000;

/// What writers and readers of one topic agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The topic's partitions.
    pub partitions: u32,
    /// What is kept, in log time.
    pub window: Duration,
}

impl Shape {
    pub fn new(partitions: u32) -> Self {
        Self { partitions, window: Duration::from_secs(600) }
    }

    pub fn window_ms(self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX)
    }

    /// What is older in a partition that is at this log time is not there any more.
    pub fn oldest_ms(self, newest_ms: i64) -> i64 {
        newest_ms.saturating_sub(self.window_ms())
    }
}

/// How many series and hosts that are too old a step removes, at most: more than it can bring, so that what is left over becomes less.
pub(super) fn removed_max(step: &Step) -> usize {
    REMOVED_MIN + 2 * step.values.len().max(step.hosts.len())
}

/// A step, and what the partition says of itself afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    pub log: LogId,
    pub step: &'a Step,
    pub state: State,
    /// `Some`: the end of the log was reached at this time.
    pub ended_ms: Option<i64>,
}

/// What a partition says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub stored: Stored,
    /// When it was filled, as it counts that itself: it grows each time.
    pub filled: u64,
    /// The newest log time that it has seen.
    pub newest_ms: i64,
}

/// An answer of one partition, and where it is true; no place: it has no position, and nothing was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    pub place: Option<Place>,
    pub value: T,
}

/// Which series of a partition are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    pub filter: &'a Filter,
    /// Only series whose text comes behind this one.
    pub after: Option<&'a str>,
    /// Series that are looked at, at most.
    pub examine: usize,
}

/// What was found in one partition, by the text of the series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shelf {
    pub found: Vec<(String, Last)>,
    /// The last series that was looked at; `None`: there are no more.
    pub covered: Option<String>,
}

/// Keeps the samples' last values, each partition for itself. Several processes may write at any time, so every write compares positions.
#[async_trait]
pub trait SamplesStore: Send + Sync + fmt::Debug + 'static {
    fn shape(&self) -> Shape;

    /// What the partition says of itself; `None` when it has no position: never filled, emptied, or partly deleted by somebody else.
    async fn place(&self, partition: u32) -> Result<Option<Place>, StoreError>;

    /// Empties the partition and puts it at `from` of this log, `building`, in one atomic step; refused unless its log and position are still `seen`.
    async fn begin(&self, partition: u32, seen: Option<(LogId, u64)>, log: LogId, from: u64) -> Result<Applied, StoreError>;

    /// Writes a step in one atomic step; refused unless the partition is at its `from` and of the same log.
    async fn apply(&self, partition: u32, write: Write<'_>) -> Result<Applied, StoreError>;

    /// Values of the series that are searched for, in the order of their texts, and where the partition is, as of one moment.
    async fn search(&self, partition: u32, search: Search<'_>) -> Result<Answered<Shelf>, StoreError>;

    /// The log time of each host's last sample in this partition, and where it is, as of one moment.
    async fn heard(&self, partition: u32, hosts: &[&str]) -> Result<Answered<Vec<Option<i64>>>, StoreError>;
}

/// Series of one metric that have all these tags, and perhaps more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub metric: Metric,
    /// Names and values, which must be equal.
    pub tags: Vec<(String, String)>,
}

/// Some of the series that were asked for, in the order of their texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub values: Vec<(Series, Last)>,
    /// Where the next page begins; `None`: this was the last one. A page may be short, or empty, and not be the last.
    pub next: Option<String>,
}

/// Why there is no answer now: 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the live state is not ready: {0}")]
pub struct NotReady(pub String);

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// 400.
    #[error("`hosts` names {0} hosts: ask for at most {HOSTS_MAX} at a time")]
    TooMany(usize),
}

/// Reads the live state. There is no answer while one of the partitions that it needs is being filled, is away, or is older than what this
/// process answered from before.
#[async_trait]
pub trait SamplesReader: Send + Sync + 'static {
    /// What each partition says of itself, also while it is being filled; `None` for one that is empty. For status pages.
    async fn status(&self) -> Result<Vec<Option<Stored>>, NotReady>;

    /// The last values of at most `limit` series (1 at least), those behind `after`, which is the `next` of the page before.
    async fn last(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Result<Page, Refusal>;

    /// When each host was heard last, in milliseconds of the log's time; `None`: not within the last ten minutes of its samples' partitions.
    async fn presence(&self, hosts: &[&str]) -> Result<Vec<Option<i64>>, Refusal>;
}
