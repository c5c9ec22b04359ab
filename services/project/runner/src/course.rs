//! Where this member left the store, and how far it has to get before readers may see it.

use loki_domain::LogId;

use crate::entry::Reason;
use crate::projection::{State, Stored, Target};

/// The loop's own account of the store. The store is compared with it; when they differ, the store is right.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub log: LogId,
    /// The position of the target.
    pub at: u64,
    pub leg: Leg,
    /// What was last told to the store as the time at which it was at the end; of one that is filled anew, when that began.
    pub ended_ms: Option<i64>,
    /// The newest record's time, applied or about to be.
    pub newest_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) enum Leg {
    Live,
    /// The main generation, `building` up to the goal.
    Replay(Goal),
    /// A shadow generation up to the goal, which is moved on at most `more` times.
    Rebuild {
        goal: Goal,
        more: u32,
        reason: Reason,
        request: u64,
    },
}

/// The end of the log as it was at a time. Who got there was at the end then; under continuous load nobody is ever at the end now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub end: u64,
    pub at_ms: i64,
}

impl Course {
    pub(crate) fn new(log: LogId, at: u64, leg: Leg) -> Self {
        Self { log, at, leg, ended_ms: None, newest_ms: None }
    }

    pub(crate) fn target(&self) -> Target {
        match self.leg {
            Leg::Rebuild { .. } => Target::Shadow,
            Leg::Live | Leg::Replay(_) => Target::Main,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.leg {
            Leg::Live => State::Live,
            Leg::Replay(_) | Leg::Rebuild { .. } => State::Building,
        }
    }

    pub(crate) fn goal(&self) -> Option<Goal> {
        match self.leg {
            Leg::Live => None,
            Leg::Replay(goal) | Leg::Rebuild { goal, .. } => Some(goal),
        }
    }

    /// Whether a store at `position`, having seen the end at `ended_ms` or not, was at the end: since when.
    pub(crate) fn reaches(&self, position: u64, ended_ms: Option<i64>) -> Option<i64> {
        ended_ms.or_else(|| self.goal().filter(|goal| position >= goal.end).map(|goal| goal.at_ms))
    }

    /// Whether what was not read yet may lack what is needed, because this store has been on its way to the end for longer than the log keeps it:
    /// removals of what the store holds, or steps without which readers of a live store would see states that never were.
    pub(crate) fn is_late(&self, now_ms: i64, steps_kept_ms: Option<i64>, removals_kept_ms: Option<i64>) -> bool {
        let is_over = |since_ms: i64, kept_ms: Option<i64>| kept_ms.is_some_and(|kept_ms| now_ms.saturating_sub(since_ms) > kept_ms);
        // what comes next is not older than what came before
        let since_ms = self.ended_ms.unwrap_or_default().max(self.newest_ms.unwrap_or_default());
        let steps = match self.leg {
            Leg::Live => is_over(since_ms, steps_kept_ms),
            // nobody reads what is between here and the goal; but what lies before it may be superseded by what lies behind
            Leg::Replay(goal) => is_over(goal.at_ms, steps_kept_ms),
            // its goal is looked at where it is reached
            Leg::Rebuild { .. } => false,
        };
        steps || is_over(since_ms, removals_kept_ms)
    }

    /// Whether the main generation is where it was left.
    pub(crate) fn is_where_left(&self, stored: Option<Stored>) -> bool {
        stored.is_some_and(|stored| stored.log == self.log && stored.position == self.at && stored.state == self.state())
    }
}
