//! What ends the loop, and what ends a turn of it.

use loki_log::Partition;

/// Why the loop gave up: nothing that trying again could mend. Everything else is waited out, not returned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(loki_log::Error),
    #[error("`{0}` has a partition beyond the first: a projection reads topics of one partition, make it again with one")]
    Partitions(String),
    #[error("the task that decodes records failed: {0}")]
    Decode(String),
    #[error("the work on a partition failed: {0}")]
    Work(String),
}

/// A record that stops its partition: skipping it would be divergence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {offset} of `{partition}` cannot be read: {reason}")]
pub struct Unreadable {
    pub partition: Partition,
    pub offset: u64,
    pub reason: String,
}

/// Why a turn of the loop ended early.
#[derive(Debug)]
pub(crate) enum Break {
    /// The store or the log is not where this member left it: look at everything again.
    EnterAgain,
    Unreadable(Unreadable),
    /// The partition is being taken away, or is gone.
    Gone,
    Shutdown,
    Fatal(Error),
}

pub(crate) type Flow<T> = Result<T, Break>;
