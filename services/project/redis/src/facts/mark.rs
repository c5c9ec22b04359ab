//! What a generation says of itself, as scripts answer it.

use loki_domain::LogId;
use loki_runner::Stored;
use redis::{FromRedisValue, Value};

use crate::error::Error;

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) stored: Stored,
    /// When it was filled: it grows each time.
    pub(super) filled: u64,
    /// A rebuild was asked for.
    pub(super) asked: bool,
}

/// What a script says of the generation that it was called about.
pub(super) enum Told {
    /// What it says of itself, and what else was asked for.
    Is(Mark, std::vec::IntoIter<Value>),
    /// It has no position, or lacks a part.
    Empty,
    /// Another one has taken its place.
    Moved,
    /// There is too much of what was asked for.
    Large,
}

impl Told {
    pub(super) fn read(answer: Vec<Value>) -> Result<Self, Error> {
        let mut answer = answer.into_iter();
        match answer.next().map(text).transpose()?.as_deref() {
            Some("ok") => {
                let at = answer.next().map(texts).transpose()?.unwrap_or_default();
                Ok(Self::Is(Mark::read(&at)?, answer))
            }
            Some("empty") => Ok(Self::Empty),
            Some("moved") => Ok(Self::Moved),
            Some("large") => Ok(Self::Large),
            _ => Err(unreadable("a script answers with other words")),
        }
    }
}

impl Mark {
    fn read(at: &[String]) -> Result<Self, Error> {
        let [log, position, state, ended_ms, filled, asked] = at else { return Err(unreadable("it has other fields")) };
        let log: LogId = log.parse().map_err(|invalid: loki_domain::Invalid| unreadable(&invalid.0))?;
        let number = |text: &String| text.parse::<u64>().map_err(|_| unreadable(&format!("`{}` is no number", text.escape_default())));
        let ended_ms = i64::try_from(number(ended_ms)?).unwrap_or(i64::MAX);
        let state = state.parse().map_err(|message: String| unreadable(&message))?;
        let stored = Stored { log, position: number(position)?, state, ended_ms };
        Ok(Self { stored, filled: number(filled)?, asked: !asked.is_empty() })
    }
}

pub(super) fn unreadable(message: &str) -> Error {
    Error::Unreadable { key: "facts".to_owned(), message: message.to_owned() }
}

pub(super) fn text(value: Value) -> Result<String, Error> {
    String::from_redis_value(value).map_err(|error| unreadable(&error.to_string()))
}

pub(super) fn texts(value: Value) -> Result<Vec<String>, Error> {
    Vec::from_redis_value(value).map_err(|error| unreadable(&error.to_string()))
}
