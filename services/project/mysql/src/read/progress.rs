//! Whether a store may be read, given how far it is. Pure.

use loki_domain::{Position, Stream};
use loki_runner::State;

use super::invalid;
use crate::port::{NotReady, ReadError};
use crate::store::position::Placed;

/// How far a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Which stream it is filled from.
    pub(super) stream: Stream,
    pub(super) placed: Option<Placed>,
    /// Of the history: the last command that has its outcome there.
    pub(super) last_command: Option<u64>,
}

impl Progress {
    /// The position if the store may be read by someone who has `seen` that answer and wants `at_least` this position.
    pub(super) fn ready(&self, seen: Option<&Placed>, at_least: Option<Position>) -> Result<Placed, ReadError> {
        let placed = self.placed.ok_or(NotReady::Empty)?;
        let at = self.at(&placed);
        if placed.stored.state == State::Building {
            return Err(NotReady::Building { at }.into());
        }
        if seen.is_some_and(|seen| is_older(&placed, seen)) {
            return Err(NotReady::SetBack { at }.into());
        }
        if let Some(at_least) = at_least
            && !self.has_passed(&placed, at_least)
        {
            return Err(NotReady::Behind { at, at_least }.into());
        }
        Ok(placed)
    }

    /// The store's position in its own stream.
    pub(super) fn at(&self, placed: &Placed) -> Position {
        Position { stream: self.stream, offset: placed.stored.position }
    }

    /// Whether what lies at `position` has been applied. Outcomes come in the order of their commands.
    fn has_passed(&self, placed: &Placed, position: Position) -> bool {
        match position.stream {
            Stream::Command => self.last_command.is_some_and(|last| last >= position.offset),
            Stream::Fact | Stream::Outcome | Stream::TaskLog => placed.stored.position > position.offset,
        }
    }
}

/// Refuses a position of a stream that says nothing about a store filled from `stream`.
pub(super) fn check_stream(stream: Stream, at_least: Position) -> Result<(), ReadError> {
    match (stream, at_least.stream) {
        (Stream::Fact, Stream::Fact) | (Stream::Outcome, Stream::Outcome | Stream::Command) | (Stream::TaskLog, Stream::TaskLog) => Ok(()),
        (Stream::TaskLog, _) => Err(invalid("after", "names no chunk of a task's log: write `l5`")),
        (Stream::Fact, _) => Err(invalid("after", "names no fact: write `f42`")),
        _ => Err(invalid("after", "names neither a command nor an outcome: write `c17`")),
    }
}

/// A store that goes back to an earlier rebuild, or has gone back since the same one, is an older copy of itself. One that was rebuilt later is
/// not, whatever its position: the log itself may have been restored.
pub(super) fn is_older(placed: &Placed, seen: &Placed) -> bool {
    if placed.stored.log == seen.stored.log {
        placed.stored.position < seen.stored.position && placed.built_ms <= seen.built_ms
    } else {
        placed.built_ms < seen.built_ms
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::LogId;
    use loki_runner::Stored;

    use super::*;

    fn placed(log: u8, position: u64, built_ms: i64) -> Placed {
        let log = LogId::from_digest(&[log; 32]);
        Placed { stored: Stored { log, position, state: State::Live, ended_ms: 0 }, built_ms, asked: false }
    }

    #[test]
    fn an_older_copy_is_known_from_a_rebuilt_store() {
        let seen = placed(1, 10, 100);
        for (now, older) in [
            (placed(1, 10, 100), false),
            (placed(1, 11, 100), false),
            (placed(1, 9, 100), true),
            // a back-up from before the last rebuild
            (placed(1, 9, 50), true),
            // rebuilt from a log that was set back
            (placed(1, 9, 200), false),
            // rebuilt by a member whose clock is behind
            (placed(1, 12, 50), false),
            // another log, and a back-up from the time of another log
            (placed(2, 3, 200), false),
            (placed(2, 30, 50), true),
        ] {
            assert_eq!(is_older(&now, &seen), older, "{now:?}");
        }
    }

    #[test]
    fn what_has_been_passed() {
        let facts = Progress { stream: Stream::Fact, placed: Some(placed(1, 10, 0)), last_command: None };
        assert!(facts.ready(None, Some(Position::fact(9))).is_ok());
        let behind = NotReady::Behind { at: Position::fact(10), at_least: Position::fact(10) };
        assert_eq!(facts.ready(None, Some(Position::fact(10))), Err(behind.into()));
        let outcomes = Progress { stream: Stream::Outcome, last_command: Some(17), ..facts };
        assert!(outcomes.ready(None, Some(Position::command(17))).is_ok());
        assert!(outcomes.ready(None, Some(Position::command(18))).is_err());
        assert!(outcomes.ready(None, Some(Position::outcome(9))).is_ok());
        assert_eq!(Progress { placed: None, ..outcomes }.ready(None, None), Err(NotReady::Empty.into()));
        assert!(check_stream(Stream::Fact, Position::command(1)).is_err());
        assert!(check_stream(Stream::Outcome, Position::fact(1)).is_err());
        assert!(check_stream(Stream::Outcome, Position::command(1)).is_ok());
    }
}
