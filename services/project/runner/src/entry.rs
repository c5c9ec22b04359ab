//! Where to go on: the decision taken whenever a partition is assigned or a store is not where it was left. Pure.

use std::fmt;

use loki_domain::LogId;
use loki_log::Bounds;

use crate::projection::{State, Stored};

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Go on at the store's position.
    Resume { from: u64 },
    /// The store is older than what it once held, or the way to the end leads over states that never were: mark it `building`, apply from there,
    /// `live` at the end.
    Replay { from: u64 },
    /// Fill a new generation from the start of the log.
    Rebuild(Reason),
}

/// Why a store must be filled anew. All but `Empty` and `Asked` are said loudly, and the store is given up first ([`Stored::is_given_up`]): what it
/// holds is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It has no position.
    Empty,
    /// It was filled from another log: the log was recreated.
    OtherLog { stored: LogId },
    /// It is further than the log: the log was restored from an older copy.
    BeyondEnd { stored: u64, end: u64 },
    /// What comes next was removed from the log already.
    BelowStart { stored: u64, start: u64 },
    /// It was away for longer than removals are kept.
    TooLong { away_ms: i64 },
    /// It was given up before, for any of these reasons, and not filled anew since.
    GivenUp,
    /// It is older than what it once held, and an operator asked for a rebuild instead of a replay.
    SetBack { stored: u64, committed: u64 },
    /// An operator asked for it.
    Asked,
}

impl Reason {
    /// The stable code: a metric's label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::OtherLog { .. } => "other_log",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::BelowStart { .. } => "below_start",
            Self::TooLong { .. } => "too_long",
            Self::GivenUp => "given_up",
            Self::SetBack { .. } => "set_back",
            Self::Asked => "asked",
        }
    }

    /// Something went wrong outside of this process.
    pub fn is_loud(self) -> bool {
        !matches!(self, Self::Empty | Self::Asked)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the store has no position"),
            Self::OtherLog { stored } => write!(f, "the store was filled from another log, `{stored}`: the log was recreated"),
            Self::BeyondEnd { stored, end } => {
                write!(f, "the store is at {stored}, beyond the log's end {end}: the log was restored from an older copy")
            }
            Self::BelowStart { stored, start } => write!(f, "the store is at {stored}, and the log begins at {start}"),
            Self::TooLong { away_ms } => {
                write!(f, "the store was away for {} hours, longer than removals are kept", away_ms / 3_600_000)
            }
            Self::GivenUp => write!(f, "what the store holds was found to be wrong, and its rebuild was not finished"),
            Self::SetBack { stored, committed } => {
                write!(f, "the store is at {stored}, below {committed} that it once held, and an operator asked for a rebuild")
            }
            Self::Asked => write!(f, "an operator asked for it"),
        }
    }
}

/// What is known when a partition is entered.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub stored: Option<Stored>,
    /// Why the store, as it is, was found to be wrong: the log may look right again meanwhile.
    pub verdict: Option<Reason>,
    /// A rebuild was asked for. It does not make up for what is wrong: readers must not see that until the swap.
    pub asked: bool,
    /// The group's committed offset.
    pub committed: Option<u64>,
    pub log: LogId,
    pub bounds: Bounds,
    pub now_ms: i64,
    /// How long the log keeps every step, and how long removals; `None` when it keeps everything (it is not compacted).
    pub steps_kept_ms: Option<i64>,
    pub removals_kept_ms: Option<i64>,
}

/// Decides how to go on.
pub fn decide(now: &Situation) -> Entry {
    let Some(stored) = now.stored else {
        return Entry::Rebuild(if now.asked { Reason::Asked } else { Reason::Empty });
    };
    if stored.log != now.log {
        return Entry::Rebuild(Reason::OtherLog { stored: stored.log });
    }
    if stored.position > now.bounds.end {
        return Entry::Rebuild(Reason::BeyondEnd { stored: stored.position, end: now.bounds.end });
    }
    if stored.position < now.bounds.start && stored.position != 0 {
        return Entry::Rebuild(Reason::BelowStart { stored: stored.position, start: now.bounds.start });
    }
    if let Some(reason) = now.verdict {
        return Entry::Rebuild(reason);
    }
    if stored.is_given_up() {
        return Entry::Rebuild(Reason::GivenUp);
    }
    // at the end nothing can have been missed
    let away_ms = if stored.position < now.bounds.end { now.now_ms.saturating_sub(stored.ended_ms) } else { 0 };
    let is_over = |kept: Option<i64>| kept.is_some_and(|kept| away_ms > kept);
    if is_over(now.removals_kept_ms) {
        return Entry::Rebuild(Reason::TooLong { away_ms });
    }
    let below = now.committed.filter(|committed| stored.position < *committed);
    if now.asked {
        let reason = below.map_or(Reason::Asked, |committed| Reason::SetBack { stored: stored.position, committed });
        return Entry::Rebuild(reason);
    }
    if stored.state == State::Building || below.is_some() || is_over(now.steps_kept_ms) {
        return Entry::Replay { from: stored.position };
    }
    Entry::Resume { from: stored.position }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const BEYOND: Reason = Reason::BeyondEnd { stored: 70, end: 60 };

    fn log(byte: u8) -> LogId {
        LogId::from_digest(&[byte; 32])
    }

    fn stored(position: u64) -> Stored {
        Stored { log: log(1), position, state: State::Live, ended_ms: 10 * DAY }
    }

    fn situation(stored: Option<Stored>) -> Situation {
        Situation {
            stored,
            verdict: None,
            asked: false,
            committed: Some(50),
            log: log(1),
            bounds: Bounds { start: 0, end: 100 },
            now_ms: 11 * DAY,
            steps_kept_ms: Some(DAY),
            removals_kept_ms: Some(7 * DAY),
        }
    }

    #[test]
    fn every_case() {
        let at = |position| situation(Some(stored(position)));
        let cases = [
            (situation(None), Entry::Rebuild(Reason::Empty)),
            (at(50), Entry::Resume { from: 50 }),
            (at(70), Entry::Resume { from: 70 }),
            (at(100), Entry::Resume { from: 100 }),
            (Situation { committed: None, ..at(10) }, Entry::Resume { from: 10 }),
            (at(49), Entry::Replay { from: 49 }),
            (situation(Some(Stored { state: State::Building, ..stored(60) })), Entry::Replay { from: 60 }),
            (at(101), Entry::Rebuild(Reason::BeyondEnd { stored: 101, end: 100 })),
            // found to be wrong when the log was shorter, and when a rebuild was begun and not finished
            (Situation { verdict: Some(BEYOND), ..at(70) }, Entry::Rebuild(BEYOND)),
            (situation(Some(Stored { state: State::Building, ended_ms: 0, ..stored(60) })), Entry::Rebuild(Reason::GivenUp)),
            (situation(Some(Stored { state: State::Building, ended_ms: 0, ..stored(100) })), Entry::Rebuild(Reason::GivenUp)),
            (Situation { log: log(2), ..at(50) }, Entry::Rebuild(Reason::OtherLog { stored: log(1) })),
            (Situation { bounds: Bounds { start: 60, end: 100 }, ..at(55) }, Entry::Rebuild(Reason::BelowStart { stored: 55, start: 60 })),
            (Situation { now_ms: 18 * DAY, ..at(50) }, Entry::Rebuild(Reason::TooLong { away_ms: 8 * DAY })),
            // some of the steps were removed already
            (Situation { now_ms: 11 * DAY + 1, ..at(50) }, Entry::Replay { from: 50 }),
            (Situation { now_ms: 11 * DAY + 1, steps_kept_ms: None, ..at(50) }, Entry::Resume { from: 50 }),
            // a request leaves readers what is right, and only that
            (Situation { asked: true, ..at(70) }, Entry::Rebuild(Reason::Asked)),
            (Situation { asked: true, ..situation(None) }, Entry::Rebuild(Reason::Asked)),
            (Situation { asked: true, ..at(49) }, Entry::Rebuild(Reason::SetBack { stored: 49, committed: 50 })),
            (Situation { asked: true, ..at(101) }, Entry::Rebuild(Reason::BeyondEnd { stored: 101, end: 100 })),
            (Situation { asked: true, log: log(2), ..at(50) }, Entry::Rebuild(Reason::OtherLog { stored: log(1) })),
            (Situation { asked: true, now_ms: 18 * DAY, ..at(50) }, Entry::Rebuild(Reason::TooLong { away_ms: 8 * DAY })),
            // at the end nothing can have been missed
            (Situation { now_ms: 18 * DAY, ..at(100) }, Entry::Resume { from: 100 }),
            (Situation { now_ms: 18 * DAY, steps_kept_ms: None, removals_kept_ms: None, ..at(50) }, Entry::Resume { from: 50 }),
        ];
        for (situation, expected) in cases {
            assert_eq!(decide(&situation), expected, "{situation:?}");
        }
    }
}
