//! Samples become points: each in the store once, none beside another of the same instant.
//!
//! OpenTSDB has no atomic step that could hold a position beside the points, so the group's offset is committed after the points are durable, and
//! a crash means that some are put again. What makes this exact in effect is that a point is always written alike, and that of several values of
//! one series and instant the same one is chosen every time: that of the lowest log offset (`judge`). OpenTSDB would keep both, and fail every
//! query over that hour from then on.
//!
//! - `partition` is the task of one partition that this process holds: it reads, judges, and says how far it is (`progress`). It never waits for
//!   one point with another in its hand.
//! - `write` puts the points of all partitions in common batches: small ones would wait for HBase's client. `late` looks up those that the judge
//!   cannot judge alone, on a way of its own, so that fresh ones do not stand behind them. `append` writes dead letters and misplaced points.
//! - Each of them answers the partition's task; what it has been given counts as unfinished until then, and the commit stays below it.
//!
//! Memory is bounded by `open_max`, which each record takes from until it is finished, and by that of what is known of series (`history`). While the
//! store is away nothing is read.

mod append;
mod history;
mod judge;
mod late;
mod letter;
mod open;
mod partition;
mod progress;
mod refill;
mod replayer;
mod ring;
mod trouble;
mod write;

use std::sync::Arc;

use loki_domain::{Instant, Sample};
use loki_log::{Log, Topic};
use loki_runtime::Clock;
use tokio::sync::{Semaphore, mpsc};

use self::append::Append;
pub(crate) use self::append::Appender;
pub(crate) use self::history::Allowance;
use self::history::Place;
use self::late::Look;
pub(crate) use self::late::Looker;
pub(crate) use self::partition::run;
pub(crate) use self::replayer::{Replayed, Replayer};
pub(crate) use self::trouble::Trouble;
use self::write::Put;
pub(crate) use self::write::Writer;
use crate::config::SinkConfig;
use crate::port::{Found, Newest};

/// Where a point came from, within its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    offset: u64,
    index: u32,
}

/// What the tasks of all partitions share.
pub(crate) struct Common {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Clock,
    pub(crate) config: SinkConfig,
    pub(crate) dead: Topic,
    pub(crate) trouble: Trouble,
    pub(crate) allowance: Allowance,
    /// What may be worked on at once. The ways below need no bound of their own: whatever is on them was paid for here.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) puts: mpsc::UnboundedSender<Put>,
    pub(crate) looks: mpsc::UnboundedSender<Look>,
    pub(crate) appends: mpsc::UnboundedSender<Append>,
}

/// Whom to answer.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// Of one task, among all that there were.
    number: u64,
    told: Arc<mpsc::UnboundedSender<Told>>,
}

impl Home {
    /// A task that has ended needs no answer: its partition is read again from what was committed.
    fn tell(&self, told: Told) {
        let _ended = self.told.send(told);
    }
}

/// What a partition's task is told.
#[derive(Debug)]
pub(crate) enum Told {
    Stored(Vec<Stored>),
    Refused {
        ticket: Ticket,
        sample: Sample,
        why: String,
    },
    Found(Vec<Looked>),
    Appended(Vec<Ticket>),
    /// Waiting does not help.
    Failed(loki_log::Error),
}

/// A point that is stored. Its series is found where it lies, instead of by its name.
#[derive(Debug)]
pub(crate) struct Stored {
    ticket: Ticket,
    place: Place,
    at: Instant,
}

/// The answer about a late point.
#[derive(Debug)]
pub(crate) struct Looked {
    sample: Sample,
    found: Found,
    newest: Option<Newest>,
}

/// Collects answers by whom they are for.
struct Answers<T> {
    homes: Vec<(Home, Vec<T>)>,
}

impl<T> Answers<T> {
    fn new() -> Self {
        Self { homes: Vec::new() }
    }

    fn push(&mut self, home: Home, answer: T) {
        // a process has some ten partitions
        match self.homes.iter_mut().find(|(known, _)| known.number == home.number) {
            Some((_, answers)) => answers.push(answer),
            None => self.homes.push((home, vec![answer])),
        }
    }

    fn tell(self, told: impl Fn(Vec<T>) -> Told) {
        for (home, answers) in self.homes {
            home.tell(told(answers));
        }
    }
}
