//! One partition as the loop sees it: its task, the batches that wait for it, and what was stored last.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loki_log::Batch;
use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::AbortHandle;

use super::backlog::Backlog;
use super::hold::Desk;
use crate::status::Told;

/// Waits before a task that ended by itself is started again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Tells the tasks of one partition apart.
static NUMBER: AtomicU64 = AtomicU64::new(1);

pub(super) struct Slot {
    desk: Option<Desk>,
    task: Option<AbortHandle>,
    again: Backoff,
    /// Since when no task runs, and how long that is to be so.
    resting: Option<(Stopwatch, Duration)>,
    /// Since when it is being given back.
    leaving: Option<Stopwatch>,
    /// How often reading began.
    starts: u64,
    /// Taken from the log and not yet by the task.
    ahead: VecDeque<Batch>,
    paused: bool,
    backlog: Backlog,
    /// What the task said last, of all tasks that there were.
    position: Option<u64>,
    trouble: Option<Told>,
    /// What is stored: the position, and whether with a note and which.
    stored: Option<(u64, Option<String>)>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            desk: None,
            task: None,
            again: Backoff::new(AGAIN.0, AGAIN.1),
            resting: None,
            leaving: None,
            starts: 0,
            ahead: VecDeque::new(),
            paused: false,
            backlog: Backlog::default(),
            position: None,
            trouble: None,
            stored: None,
        }
    }

    /// The number of a task that is to be started now.
    pub(super) fn due(&self) -> Option<u64> {
        let rested = self.resting.as_ref().is_none_or(|(since, wait)| since.elapsed() >= *wait);
        (self.desk.is_none() && self.leaving.is_none() && rested).then(|| NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn begin(&mut self, desk: Desk) {
        (self.desk, self.resting) = (Some(desk), None);
    }

    pub(super) fn runs(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    /// Whether its task has this number.
    pub(super) fn is(&self, number: u64) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.number == number)
    }

    /// The task began to read; the number of that beginning.
    pub(super) fn started(&mut self) -> u64 {
        self.starts += 1;
        self.ahead.clear();
        self.backlog.clear();
        self.paused = false;
        self.again.reset();
        self.starts
    }

    pub(super) fn push(&mut self, batch: Batch) {
        // an empty batch that is not the end says nothing
        if batch.at_end || !batch.records.is_empty() {
            self.backlog.read(&batch);
            self.ahead.push_back(batch);
            self.hand_over();
        }
    }

    /// Gives the task what it has room for.
    fn hand_over(&mut self) {
        let Some(desk) = &self.desk else { return self.ahead.clear() };
        while let Some(batch) = self.ahead.pop_front() {
            match desk.batches.try_send((self.starts, batch)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, batch))) => {
                    self.ahead.push_front(batch);
                    return;
                }
                Err(TrySendError::Closed(_)) => return self.ahead.clear(),
            }
        }
    }

    /// Whether the partition is to be paused or resumed.
    pub(super) fn wants_pause(&mut self) -> Option<bool> {
        self.hand_over();
        let wanted = !self.ahead.is_empty();
        (wanted != self.paused).then_some(wanted)
    }

    pub(super) fn paused_is(&mut self) {
        self.paused = !self.paused;
    }

    /// The task has ended.
    pub(super) fn rest(&mut self) {
        self.hear();
        (self.desk, self.task) = (None, None);
        self.ahead.clear();
        self.resting = Some((Stopwatch::start(), self.again.step()));
    }

    /// Tells the task to end, to be started again.
    pub(super) fn begin_again(&mut self) {
        if let Some(desk) = &self.desk {
            desk.end.begin();
        }
    }

    /// Tells the task to end, for good.
    pub(super) fn leave(&mut self) {
        self.begin_again();
        if self.leaving.is_none() {
            self.leaving = Some(Stopwatch::start());
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// It may go: it is to be given back, and nothing works on it any more or has for too long.
    pub(super) fn may_go(&self, drain: Duration) -> bool {
        self.leaving.as_ref().is_some_and(|since| self.desk.is_none() || since.elapsed() >= drain)
    }

    /// Whether nothing worked on it any more.
    pub(super) fn drop_work(self) -> bool {
        if let Some(desk) = &self.desk {
            desk.end.begin();
        }
        if let Some(task) = &self.task {
            task.abort();
        }
        self.task.is_none()
    }

    /// Takes down what the task said.
    fn hear(&mut self) {
        let Some(desk) = &self.desk else { return };
        let said = desk.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.position = said.position.or(self.position);
        match &said.trouble {
            None => self.trouble = None,
            Some(text) if self.trouble.as_ref().is_some_and(|told| told.text == *text) => {}
            // dated when it is stored
            Some(text) => self.trouble = Some(Told { at_ms: 0, text: text.clone() }),
        }
    }

    pub(super) fn position(&self) -> Option<u64> {
        let said = self.desk.as_ref().and_then(|desk| desk.said.lock().unwrap_or_else(PoisonError::into_inner).position);
        said.or(self.position)
    }

    /// Of when the oldest record is that the task was given, or is to be, and has not done with.
    pub(super) fn oldest_ms(&mut self) -> Option<i64> {
        let position = self.position();
        self.backlog.oldest_ms(position)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let Some(desk) = &self.desk else { return self.trouble.as_ref().map(|told| told.text.clone()) };
        desk.said.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// What is to be stored, unless that is stored already.
    pub(super) fn uncommitted(&mut self, now_ms: i64) -> Option<(u64, Option<&Told>)> {
        self.hear();
        let position = self.position?;
        if let Some(told) = self.trouble.as_mut().filter(|told| told.at_ms == 0) {
            told.at_ms = now_ms;
        }
        let text = self.trouble.as_ref().map(|told| told.text.clone());
        (self.stored != Some((position, text))).then_some((position, self.trouble.as_ref()))
    }

    pub(super) fn was_committed(&mut self) {
        self.stored = self.position.map(|position| (position, self.trouble.as_ref().map(|told| told.text.clone())));
    }
}
