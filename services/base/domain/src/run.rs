//! A run of a job: one change of the servers under a node, batch by batch.
//!
//! The run, its batches and what it has to do with each server are entities of their own, so that none grows with the number of servers. The
//! servers of a batch are those of the moment at which the run was asked for; what the tree becomes meanwhile does not matter.

use std::fmt;
use std::str::FromStr;

use crate::job::{Failures, OnFailure};
use crate::name::words;
use crate::{Batches, Invalid, NodeId, PackageId, PackageName, RunId, Script, ServerId, Signature, TemplateName, Text, TokenName};

/// How many servers a run has at most.
pub const SERVERS_MAX: usize = 20_000;
/// How many batches.
pub const BATCHES_MAX: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub node: NodeId,
    pub template: TemplateName,
    pub job: Job,
    pub plan: Plan,
    /// Whose token asked for it.
    pub by: TokenName,
    pub state: RunState,
    /// Why it is in its state, where that is not plain.
    pub why: Option<Text>,
    pub servers: u32,
    pub batches: u32,
    /// The batch that it is at, from 0 on.
    pub batch: u32,
    pub begun_ms: i64,
    /// From when on a server has to get done within `progress_ms`.
    pub since_ms: i64,
    /// When the next batch begins.
    pub next_ms: Option<i64>,
    /// So many failures were there when somebody had it go on nevertheless.
    pub forgiven: u32,
    /// What failed before this is tried once more.
    pub again_ms: Option<i64>,
    pub ended_ms: Option<i64>,
}

impl Run {
    /// The package that a task in this direction is about; `None` for a script, and where none is to be.
    pub fn package_of(&self, direction: Direction) -> Option<PackageId> {
        match (&self.job, direction) {
            (Job::Deploy { package, .. }, Direction::Forward) => Some(*package),
            (Job::Deploy { from, .. }, Direction::Back) => *from,
            (Job::Script { .. }, _) => None,
        }
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    Deploy {
        package: PackageId,
        name: PackageName,
        /// What was good before: where it is rolled back to. `None`: nothing was there.
        from: Option<PackageId>,
        /// What is good now. Of all runs of a package at a node the last one says so.
        good: Option<PackageId>,
        /// The how many-eth run of the package at the node.
        number: u32,
        /// It is rolled back everywhere at once.
        fast: bool,
    },
    Script {
        script: Script,
        user: Option<Text>,
        output_bytes_max: u32,
    },
}

/// How carefully.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub batches: Batches,
    pub failures: Failures,
    pub on_failure: OnFailure,
    pub pause_ms: u32,
    pub timeout_ms: u32,
    pub progress_ms: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunState {
    AwaitingApproval,
    Running,
    Paused,
    RollingBack,
    Succeeded,
    Failed,
    RolledBack,
    Cancelled,
}

impl RunState {
    pub const ALL: [Self; 8] = [
        Self::AwaitingApproval,
        Self::Running,
        Self::Paused,
        Self::RollingBack,
        Self::Succeeded,
        Self::Failed,
        Self::RolledBack,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RollingBack => "rolling_back",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::RolledBack | Self::Cancelled)
    }
}

/// The servers of one batch, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub run: RunId,
    /// From 0 on.
    pub number: u32,
    pub servers: Vec<ServerId>,
}

/// What a run has to do with one server: there from when it was told to until for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub run: RunId,
    pub server: ServerId,
    pub batch: u32,
    /// From 1 on; each has a task of its own.
    pub attempt: u32,
    pub direction: Direction,
    pub state: TaskState,
    /// Where it is, or was in the end.
    pub step: Option<Text>,
    /// What the host says of it.
    pub message: Option<Text>,
    /// When this attempt was asked for.
    pub told_ms: i64,
    pub changed_ms: i64,
    /// Of the task, as long as it is open: the decider's own.
    pub signature: Option<Signature>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To what the run is for.
    Forward,
    /// To what was there before.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// It was told, and has not said that it began.
    Pending,
    Running,
    Succeeded,
    Failed,
    /// It did not say in time what became of it. It may still say so.
    Unknown,
}

impl TaskState {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::Forward, Self::Back];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }
}

/// When a run has to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    pub run: RunId,
    pub due_ms: i64,
}

words!(RunState, "state of a run");
words!(TaskState, "state of a server in a run");
words!(Direction, "direction");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        assert!(RunState::ALL.into_iter().all(|state| state.as_str().parse() == Ok(state)));
        assert!(TaskState::ALL.into_iter().all(|state| state.as_str().parse() == Ok(state)));
        assert!(Direction::ALL.into_iter().all(|direction| direction.as_str().parse() == Ok(direction)));
        assert!("done".parse::<RunState>().is_err() && "".parse::<TaskState>().is_err());
    }
}
