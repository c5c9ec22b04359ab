//! Where a task goes on in its partition: decided when it begins, and whenever the store is not where it was left. Pure.

use std::fmt;

use loki_domain::LogId;
use loki_log::Bounds;
use loki_runner::{State, Stored};

/// What is known when a partition is entered.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub stored: Option<Stored>,
    pub log: LogId,
    pub bounds: Bounds,
    /// The furthest that the store is known to have been: what the group has committed, or where this task left it.
    pub floor: Option<u64>,
    /// Where the last ten minutes of the log begin.
    pub window_from: u64,
}

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Go on at the store's position.
    Resume { from: u64 },
    /// Mark it `building`, go on at its position, `live` at the end.
    Replay { from: u64 },
    /// Empty it and fill it from there.
    Fill { from: u64, reason: Reason },
}

/// Why a partition is filled anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It has no position.
    Empty,
    /// It was filled from another log: the log was recreated.
    OtherLog,
    /// It is further than the log: the log was restored from an older copy.
    BeyondEnd,
    /// All that it holds is older than the window.
    Old,
}

impl Reason {
    /// The stable code: a metric's label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::OtherLog => "other_log",
            Self::BeyondEnd => "beyond_end",
            Self::Old => "old",
        }
    }

    /// Something went wrong outside of this process.
    pub fn is_loud(self) -> bool {
        matches!(self, Self::OtherLog | Self::BeyondEnd)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the store has no position",
            Self::OtherLog => "the store was filled from another log: the log was recreated",
            Self::BeyondEnd => "the store is beyond the log's end: the log was restored from an older copy",
            Self::Old => "what the store holds is older than what is kept",
        })
    }
}

/// Decides how to go on.
pub fn decide(now: &Situation) -> Entry {
    let fill = |reason| Entry::Fill { from: now.window_from, reason };
    let Some(stored) = now.stored else { return fill(Reason::Empty) };
    if stored.log != now.log {
        return fill(Reason::OtherLog);
    }
    if stored.position > now.bounds.end {
        return fill(Reason::BeyondEnd);
    }
    if stored.position < now.window_from {
        return fill(Reason::Old);
    }
    // a floor beyond the end was that of a longer log
    let is_below = now.floor.is_some_and(|floor| stored.position < floor.min(now.bounds.end));
    match is_below || stored.state == State::Building {
        true => Entry::Replay { from: stored.position },
        false => Entry::Resume { from: stored.position },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(byte: u8) -> LogId {
        LogId::from_digest(&[byte; 32])
    }

    fn at(position: u64) -> Situation {
        let stored = Stored { log: log(1), position, state: State::Live, ended_ms: 0 };
        Situation { stored: Some(stored), log: log(1), bounds: Bounds { start: 10, end: 100 }, floor: Some(60), window_from: 40 }
    }

    #[test]
    fn every_case() {
        let building = |position| {
            let situation = at(position);
            Situation { stored: situation.stored.map(|stored| Stored { state: State::Building, ..stored }), ..situation }
        };
        let fill = |reason| Entry::Fill { from: 40, reason };
        let cases = [
            (Situation { stored: None, ..at(0) }, fill(Reason::Empty)),
            (Situation { log: log(2), ..at(70) }, fill(Reason::OtherLog)),
            (at(101), fill(Reason::BeyondEnd)),
            (at(39), fill(Reason::Old)),
            // also when it was removed from the log already
            (at(5), fill(Reason::Old)),
            (building(39), fill(Reason::Old)),
            (at(40), Entry::Replay { from: 40 }),
            (at(59), Entry::Replay { from: 59 }),
            (at(60), Entry::Resume { from: 60 }),
            (at(100), Entry::Resume { from: 100 }),
            (building(80), Entry::Replay { from: 80 }),
            (Situation { floor: None, ..at(40) }, Entry::Resume { from: 40 }),
            // the log is shorter than it was, and the store was filled from it
            (Situation { floor: Some(500), ..at(100) }, Entry::Resume { from: 100 }),
            (Situation { floor: Some(500), ..at(99) }, Entry::Replay { from: 99 }),
        ];
        for (situation, expected) in cases {
            assert_eq!(decide(&situation), expected, "{situation:?}");
        }
    }
}
