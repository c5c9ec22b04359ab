//! Answers, pages, and why there is none.

use loki_domain::Position;
use loki_runner::Stored;

/// What was read, and where the store was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub stored: Stored,
}

impl<T> Answer<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), stored: self.stored }
    }
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `Listed::next` of the part before; `None` for the first.
    pub cursor: Option<String>,
    /// How many items at most; more than [`Page::LIMIT_MAX`] are never given.
    pub limit: usize,
}

impl Page {
    pub const LIMIT_MAX: usize = 1_000;

    pub fn first(limit: usize) -> Self {
        Self { cursor: None, limit }
    }

    /// The limit that is kept.
    pub(crate) fn bounded(&self) -> usize {
        self.limit.clamp(1, Self::LIMIT_MAX)
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Where the next part begins; `None`: this was the last. Stays good while the list changes.
    pub next: Option<String>,
}

/// Why there is no answer yet: the caller says 503 with Retry-After.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    #[error("the store is empty and waits to be filled")]
    Empty,
    #[error("the store is being filled and is at {at}")]
    Building { at: Position },
    #[error("the store is at {at} and has not passed {at_least}")]
    Behind { at: Position, at_least: Position },
    #[error("the store is at {at}, which is older than what was answered before")]
    SetBack { at: Position },
    #[error("the store is at {at} and was at {was} before: it was set back")]
    Older { at: Position, was: Position },
    #[error("how far the store was before is not known yet: the log has not told")]
    Unknown,
    #[error("too many questions are asked of the store at once")]
    Crowded,
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// Asking again may help: 503.
    #[error("the store is away: {0}")]
    Away(String),
    /// Only a person can help (other version, no rights, a row that cannot be read): 503, and said in the log.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// The question is wrong: 400.
    #[error("`{field}` {message}")]
    Invalid { field: &'static str, message: String },
}
