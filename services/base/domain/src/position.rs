//! Positions name their stream: `c17` is a command, `f42` a fact, `o8` an outcome, `l5` a chunk of a task's log.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Command,
    Fact,
    Outcome,
    /// Of what hooks and scripts print.
    TaskLog,
}

/// An offset in one of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub stream: Stream,
    pub offset: u64,
}

impl Position {
    pub fn command(offset: u64) -> Self {
        Self { stream: Stream::Command, offset }
    }

    pub fn fact(offset: u64) -> Self {
        Self { stream: Stream::Fact, offset }
    }

    pub fn outcome(offset: u64) -> Self {
        Self { stream: Stream::Outcome, offset }
    }

    pub fn task_log(offset: u64) -> Self {
        Self { stream: Stream::TaskLog, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.stream {
            Stream::Command => 'c',
            Stream::Fact => 'f',
            Stream::Outcome => 'o',
            Stream::TaskLog => 'l',
        };
        write!(f, "{letter}{}", self.offset)
    }
}

impl FromStr for Position {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(format!(
                "`{}` is no position: write `c17` for a command, `f42` for a fact, `o8` for an outcome, `l5` for a chunk of a task's log",
                text.escape_default()
            ))
        };
        let mut letters = text.chars();
        let stream = match letters.next() {
            Some('c') => Stream::Command,
            Some('f') => Stream::Fact,
            Some('o') => Stream::Outcome,
            Some('l') => Stream::TaskLog,
            _ => return Err(wrong()),
        };
        let digits = letters.as_str();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        // logs and stores count with signed numbers
        let offset = digits.parse().ok().filter(|offset| i64::try_from(*offset).is_ok()).ok_or_else(wrong)?;
        Ok(Self { stream, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back() {
        for text in ["c17", "f0", "o9223372036854775807", "l5"] {
            assert_eq!(text.parse::<Position>().map(|p| p.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "c", "17", "x1", "c-1", "c+1", "c1 ", "c9223372036854775808", "c99999999999999999999"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
