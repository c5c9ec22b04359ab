//! Errors say what the caller must do.

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same call may succeed later: back off and call again.
    Retry,
    /// The open transaction is lost, the writer is not: abort, then redo the batch.
    Abort,
    /// Another writer took over, or the outcome of a commit is unknown: drop this writer and all state built with it, then restore.
    Fenced,
    /// The caller is wrong (too large, unknown topic or group, a position outside the log): calling again cannot help.
    Invalid,
    /// The log cannot be used by this process (corrupt file, refused credentials, locked by another process): exit.
    Fatal,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the log is away: {0}")]
    Away(String),
    #[error("the transaction must be aborted: {0}")]
    Aborted(String),
    #[error("another writer took over: {0}")]
    Fenced(String),
    #[error("record of {bytes} bytes is over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("topic `{0}` does not exist: create it with `loki topics apply`")]
    NoSuchTopic(String),
    #[error("position {position} of {partition} is outside the log ({start} to {end})")]
    OutOfRange { partition: String, position: u64, start: u64, end: u64 },
    #[error("{0}")]
    Invalid(String),
    #[error("the log cannot be used: {0}")]
    Fatal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Away(_) => Class::Retry,
            Self::Aborted(_) => Class::Abort,
            Self::Fenced(_) => Class::Fenced,
            Self::TooLarge { .. } | Self::NoSuchTopic(_) | Self::OutOfRange { .. } | Self::Invalid(_) => Class::Invalid,
            Self::Fatal(_) => Class::Fatal,
        }
    }
}
