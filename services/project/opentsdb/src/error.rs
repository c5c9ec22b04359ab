//! What can go wrong with a time-series store, and what to do about it.

/// A store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Retry later: unreachable, overloaded, or it is not known whether something was written.
    #[error("the time-series store is away: {0}")]
    Away(String),
    /// Someone must act: a setting, rights, a store of another kind.
    #[error("the time-series store cannot be used: {0}")]
    Unusable(String),
    /// The answer is larger than whoever asked can take: ask for less.
    #[error("the answer of the time-series store is larger than {limit} bytes: ask for less at once")]
    TooLarge { limit: usize },
    /// There is no such question.
    #[error("`/api/{0}` is not answered here")]
    Unknown(String),
    /// The caller asked for something that is not answered.
    #[error("{0}")]
    Refused(String),
}

/// Why the sink, a check or a replay gave up. Everything that waiting can mend is waited out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Share(#[from] loki_runner::Error),
    #[error(transparent)]
    Log(#[from] loki_log::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Invalid(String),
}
