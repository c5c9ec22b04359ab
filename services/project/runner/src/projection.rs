//! The port of a projection: what a store must offer to be filled by the loop.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use loki_domain::LogId;
use loki_log::Record;

/// One decoded record.
pub trait Item: Sized + Send + Sync + 'static {
    /// Reads a record; an error stops the partition.
    fn read(record: &Record) -> Result<Self, loki_wire::Error>;

    /// The record's offset.
    fn offset(&self) -> u64;

    /// The command that caused it. Items of one command are applied together or not at all.
    fn command(&self) -> u64;

    /// No further item of the same command follows.
    fn is_last(&self) -> bool;
}

impl Item for loki_wire::Fact {
    fn read(record: &Record) -> Result<Self, loki_wire::Error> {
        loki_wire::fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers)
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn command(&self) -> u64 {
        self.command
    }

    fn is_last(&self) -> bool {
        self.last
    }
}

/// An outcome with its own offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOutcome {
    pub offset: u64,
    pub outcome: loki_wire::Outcome,
}

impl Item for PlacedOutcome {
    fn read(record: &Record) -> Result<Self, loki_wire::Error> {
        Ok(Self { offset: record.offset, outcome: loki_wire::outcome::read(record.value.as_ref(), &record.headers)? })
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn command(&self) -> u64 {
        self.outcome.command
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// A chunk of a task's log, with where it lies and when the log took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedChunk {
    pub offset: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub chunk: loki_wire::task_log::Chunk,
}

impl Item for PlacedChunk {
    fn read(record: &Record) -> Result<Self, loki_wire::Error> {
        let chunk = loki_wire::task_log::read(record.value.as_ref(), &record.headers)?;
        Ok(Self { offset: record.offset, at_ms: record.timestamp_ms, chunk })
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn command(&self) -> u64 {
        self.offset
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// Whether a store may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being filled: readers answer 503.
    Building,
    Live,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "building" => Ok(Self::Building),
            "live" => Ok(Self::Live),
            other => Err(format!("`{}` is no state of a store", other.escape_default())),
        }
    }
}

/// What a store says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The log that it was filled from.
    pub log: LogId,
    /// The next offset to apply.
    pub position: u64,
    pub state: State,
    /// When it was last at the end of the log, milliseconds since 1970. Longer ago than removals are kept: rebuild.
    pub ended_ms: i64,
}

impl Stored {
    /// What is told to a store as the time of a store that is wrong.
    pub const GIVEN_UP_MS: i64 = 0;

    /// What it holds was found to be wrong: nothing but a rebuild makes it readable again, whoever looks at it next and however long the log has
    /// become by then.
    pub fn is_given_up(&self) -> bool {
        self.state == State::Building && self.ended_ms == Self::GIVEN_UP_MS
    }
}

/// Which generation of the store a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one that readers see.
    Main,
    /// The one that `begin_rebuild` made.
    Shadow,
}

/// A step: applied wholly or not at all.
#[derive(Debug)]
pub struct Batch<'a, I> {
    pub log: LogId,
    pub target: Target,
    /// The store's position must equal this.
    pub from: u64,
    /// The store's position afterwards.
    pub to: u64,
    /// Whole commands, in log order. May be empty: only position, state and `ended_ms` move then.
    pub items: &'a [I],
    /// The state afterwards.
    pub state: State,
    /// `Some`: the end of the log was reached at this time.
    pub ended_ms: Option<i64>,
}

impl<I> Batch<'_, I> {
    /// It says that what the main generation holds is wrong ([`Stored::is_given_up`]), and nothing else.
    pub fn gives_up(&self) -> bool {
        self.target == Target::Main && self.state == State::Building && self.ended_ms == Some(Stored::GIVEN_UP_MS)
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// The store's log id or position was another (or it has none): nothing was written.
    Refused,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is away or overloaded, or the result of a write is unknown: pause, back off, read its position, go on from there.
    #[error("the store is away: {0}")]
    Away(String),
    /// The store cannot be used as it is (a schema of another version, no rights): not ready until someone acts; tried again now and then.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// Fills one store from one partition. Methods are called by one task, one at a time; another process may do the same at any time, which is
/// why every write compares positions.
#[async_trait]
pub trait Projection: Send + 'static {
    type Item: Item;

    /// The projection's name: of the consumer group, in metrics, in `/v1/status`.
    fn name(&self) -> &'static str;

    /// What the main generation says; `None` when it has no position: never filled, or emptied.
    async fn stored(&mut self) -> Result<Option<Stored>, StoreError>;

    /// Whether a rebuild was asked for through the store, as `stored` found it last. Readers keep what it holds, which does not move any more.
    fn is_asked(&self) -> bool {
        false
    }

    /// Applies a batch to its target in one atomic step, if the position there equals `from` and the log id is the same. To a store that is asked for
    /// a rebuild nothing is written but that it is given up ([`Batch::gives_up`]), which takes the place of the request.
    async fn apply(&mut self, batch: Batch<'_, Self::Item>) -> Result<Applied, StoreError>;

    /// Makes an empty shadow generation (dropping an older one) with position `from` of this log. Makes what is missing in the store.
    /// The main generation is not touched.
    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError>;

    /// Puts the shadow in the main generation's place, in one atomic step, live; refused unless the shadow's position equals `at`.
    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError>;
}
