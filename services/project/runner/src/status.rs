//! What a projection tells of itself: to the API, to operators, to whoever waits for it.

use std::mem::Discriminant;

use loki_domain::LogId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::projection::Stored;

/// What readers of the store get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// "Not yet": it is being filled.
    Building,
    /// The truth as of its position.
    Live,
    /// Whatever another member leaves there: this one holds no partition, or waits for the log.
    Waiting,
    /// The truth as of its position, which does not move: a record cannot be read, or the loop has ended.
    Stopped,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Building, Self::Live, Self::Waiting, Self::Stopped];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// What the loop does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Mode {
    /// On the way into the group.
    Joining,
    /// Another member holds the partition; this one would take over.
    StandingBy,
    /// The log has no id yet: its decider never ran.
    WaitingForLog,
    /// Looks at the store and the log to decide where to go on.
    Entering,
    Following,
    /// Fills the store from an older position.
    Replaying {
        position: u64,
        end: u64,
    },
    /// Fills a new generation.
    Rebuilding {
        position: u64,
        end: u64,
        reason: String,
    },
    /// A record cannot be read.
    Stopped {
        reason: String,
    },
    /// The loop has returned.
    Ended,
}

/// The state of a projection at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub name: &'static str,
    /// What the store said, or was told, last; `None` when it has no position.
    pub stored: Option<Stored>,
    /// The log that it is filled from.
    pub log: Option<LogId>,
    /// The end of the log when it was read last.
    pub end: Option<u64>,
    /// Offsets up to the end that the store does not hold.
    pub lag_records: Option<u64>,
    pub phase: Phase,
    pub mode: Mode,
    /// Why the store cannot be written to, while it cannot.
    pub store_away: Option<String>,
    /// Why the log cannot be read, while it cannot.
    pub log_away: Option<String>,
    /// Why it does not get on, and since when; `None` while it does.
    pub trouble: Option<Told>,
    /// The last rebuild that was begun, and why.
    pub last_rebuild: Option<Told>,
}

/// A text with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub at_ms: i64,
    pub text: String,
}

impl Snapshot {
    /// The store's position.
    pub fn position(&self) -> Option<u64> {
        self.stored.map(|stored| stored.position)
    }

    /// Follows the log and had everything in it when it looked last.
    pub fn is_caught_up(&self) -> bool {
        self.mode == Mode::Following && self.lag_records == Some(0) && self.why_not_ready().is_none()
    }

    /// After a change: `before` is what it was. The time is that of the first word of this kind: one outage has many words.
    pub(crate) fn retell(&mut self, before: &Kind, now_ms: impl FnOnce() -> i64) {
        let kind = self.kind();
        if kind == Kind::Passing {
            return;
        }
        self.trouble = self.why_not_ready().map(|text| match self.trouble.take() {
            Some(told) if *before == kind || told.text == text => Told { text, ..told },
            _ => Told { at_ms: now_ms(), text },
        });
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.mode {
            Mode::Ended => Kind::Passing,
            _ if self.store_away.is_some() => Kind::StoreAway,
            _ if self.log_away.is_some() => Kind::LogAway,
            Mode::Joining | Mode::Entering => Kind::Passing,
            mode => Kind::Mode(std::mem::discriminant(mode)),
        }
    }

    /// For `/readyz`.
    pub(crate) fn why_not_ready(&self) -> Option<String> {
        if let Some(why) = self.store_away.as_ref().or(self.log_away.as_ref()) {
            return Some(why.clone());
        }
        match &self.mode {
            Mode::Following | Mode::StandingBy => None,
            Mode::Joining => Some("joining the group".to_owned()),
            Mode::WaitingForLog => Some("the log has no id yet: waiting for its decider's first transaction".to_owned()),
            Mode::Entering => Some("reading the store's position".to_owned()),
            Mode::Replaying { .. } => Some("replaying: the store was set back".to_owned()),
            Mode::Rebuilding { reason, .. } => Some(format!("rebuilding: {reason}")),
            Mode::Stopped { reason } => Some(format!("stopped: {reason}")),
            Mode::Ended => Some("ended".to_owned()),
        }
    }
}

/// What tells one trouble from another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    StoreAway,
    LogAway,
    /// Says nothing new: soon it will be known whether the trouble has gone, and who has ended cannot mend it any more.
    Passing,
    Mode(Discriminant<Mode>),
}

/// A view of a projection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Status(watch::Receiver<Snapshot>);

impl Status {
    pub(crate) fn new(receiver: watch::Receiver<Snapshot>) -> Self {
        Self(receiver)
    }

    pub fn now(&self) -> Snapshot {
        self.0.borrow().clone()
    }

    /// Returns once this holds; `None` when the loop is gone before that. Bound it with a timeout.
    pub async fn until(&self, holds: impl FnMut(&Snapshot) -> bool) -> Option<Snapshot> {
        self.0.clone().wait_for(holds).await.ok().map(|snapshot| snapshot.clone())
    }
}
