//! What is done now and then beside following: comparing the store, the end and the log's id with what was left, the group's offset and what it
//! says, lag.

use std::time::Duration;

use loki_log::Committed;
use loki_runtime::clock::Stopwatch;

use crate::config::RunnerConfig;
use crate::course::{Course, Leg};
use crate::enter::LOG_TIMEOUT;
use crate::entry::Reason;
use crate::error::{Break, Flow};
use crate::pending::Cut;
use crate::projection::{Projection, Target};
use crate::runner::{Loop, Verdict};

/// When what was done last.
pub(crate) struct Upkeep {
    check: Every,
    touch: Every,
    commit: Every,
    /// When the store was last where it should be.
    seen: Stopwatch,
    /// What the group has committed; `None` when this member does not know.
    committed: Option<Option<Committed>>,
}

impl Upkeep {
    pub(crate) fn new(config: &RunnerConfig) -> Self {
        Self {
            check: Every::new(config.check_every),
            touch: Every::new(config.touch_every),
            commit: Every::new(config.commit_every),
            seen: Stopwatch::start(),
            committed: None,
        }
    }

    /// A store was entered: everything is due anew.
    pub(crate) fn begin(&mut self) {
        self.check.restart();
        self.touch.restart();
        self.seen();
    }

    /// What the group has committed, as the log says; `None` from when on others may have done so.
    pub(crate) fn committed_is(&mut self, committed: Option<Option<Committed>>) {
        self.committed = committed;
    }

    /// The store is where it should be.
    pub(crate) fn seen(&mut self) {
        self.seen = Stopwatch::start();
    }
}

impl<P: Projection> Loop<P> {
    pub(crate) async fn look_after(&mut self, course: &mut Course) -> Flow<()> {
        // A rebuild that is under way is finished first, lest impatience restart it for ever.
        if self.requests.open().is_some() && course.target() == Target::Main {
            return Err(Break::EnterAgain);
        }
        self.commit_now_and_then().await;
        if !self.upkeep.check.is_due() {
            return Ok(());
        }
        // before the end is read: it may take long to be told, and longer until something is done with it
        let now_ms = self.clock.now_ms();
        let end = self.bounds().await?.end;
        if self.judge(end) || end < course.at {
            return Err(Break::EnterAgain);
        }
        if end == course.at {
            course.ended_ms = course.ended_ms.max(Some(now_ms));
        }
        self.compare_store(course).await?;
        let touch = self.upkeep.touch.is_due();
        if touch {
            self.compare_log_id(course).await?;
        }
        let at_end = self.pending.ended_ms().and(self.pending.drained()).filter(|position| *position >= end);
        match (at_end, &course.leg) {
            (Some(to), Leg::Live) => {
                // Transaction markers behind the last record are told soon, the mere passing of time seldom.
                if touch || to > course.at {
                    self.apply(course, Cut { items: 0, to, ended_ms: Some(now_ms) }).await?;
                }
                self.report.lag(0, Some(0));
            }
            _ => {
                let age_ms = course.newest_ms.map_or(0, |newest_ms| (self.clock.now_ms() - newest_ms).max(0));
                self.report.lag(end - course.at, Some(age_ms));
            }
        }
        Ok(())
    }

    /// A log that ends before the store was restored from an older copy. It is seen now or never: by the time that the store is looked at again, the
    /// log may be longer than it ever was.
    pub(crate) fn judge(&mut self, end: u64) -> bool {
        let stored = self.report.last_stored().filter(|stored| !stored.is_given_up() && self.report.log() == Some(stored.log));
        let beyond = stored.filter(|stored| stored.position > end);
        if let Some(stored) = beyond {
            self.verdict = Some(Verdict { stored, reason: Reason::BeyondEnd { stored: stored.position, end } });
        }
        beyond.is_some()
    }

    /// Every batch compares positions; while there is none the store is asked.
    async fn compare_store(&mut self, course: &Course) -> Flow<()> {
        if course.target() == Target::Shadow || self.upkeep.seen.elapsed() < self.config.check_every / 2 {
            return Ok(());
        }
        let stored = self.stored().await?;
        if !course.is_where_left(stored) {
            tracing::warn!(projection = self.report.name(), left = course.at, ?stored, "the store is not where it was left");
            return Err(Break::EnterAgain);
        }
        if self.projection.is_asked() {
            return Err(Break::EnterAgain);
        }
        self.upkeep.seen();
        self.store_works();
        self.reentry.reset();
        Ok(())
    }

    /// A log that was made again may be longer than the old one, so that no position tells.
    async fn compare_log_id(&mut self, course: &Course) -> Flow<()> {
        if self.log_id().await? != course.log {
            return Err(Break::EnterAgain);
        }
        self.tell(course);
        Ok(())
    }

    /// The same at most once in a while, however often the trouble changes.
    pub(crate) async fn commit_now_and_then(&mut self) {
        if self.upkeep.commit.is_due() {
            self.commit().await;
        }
    }

    /// Stores the group's offset when it, or what it shall say, has changed: the live store's position, never more. While there is none the offset
    /// stays what it was.
    pub(crate) async fn commit(&mut self) {
        if !self.seat.may_commit() {
            return;
        }
        let note = self.report.note();
        let position = match self.left_at {
            Some(position) => position,
            None => match self.committed_before().await {
                Some(Some(before)) => before.position,
                // No store can be below the first offset: it says no more than no offset.
                Some(None) if note.is_some() => 0,
                Some(None) | None => return,
            },
        };
        let commit = Committed { position, note };
        if self.upkeep.committed.as_ref().is_some_and(|known| known.as_ref() == Some(&commit)) {
            return;
        }
        if self.seat.commit(commit.position, commit.note.as_deref()).await {
            self.upkeep.committed = Some(Some(commit));
        }
    }

    /// What the group has committed; `None` when nobody can say now.
    async fn committed_before(&mut self) -> Option<Option<Committed>> {
        if self.upkeep.committed.is_none() {
            let log = self.log.clone();
            let call = loki_runtime::task::timeout(LOG_TIMEOUT, log.committed(&self.config.group, &self.partition));
            if let Ok(Some(Ok(committed))) = self.seat.unless_gone(call).await {
                self.upkeep.committed = Some(committed);
            }
        }
        self.upkeep.committed.clone()
    }

    /// How far the store falls behind while it cannot be written to.
    pub(crate) async fn watch_end(&mut self) -> Flow<()> {
        if !self.upkeep.check.is_due() {
            return Ok(());
        }
        let log = self.log.clone();
        let call = loki_runtime::task::timeout(self.config.check_every, log.bounds(&self.partition));
        if let (Some(Ok(bounds)), Some(position)) = (self.seat.unless_gone(call).await?, self.report.position()) {
            self.report.end_is(bounds.end);
            self.report.lag(bounds.end.saturating_sub(position), None);
            if self.judge(bounds.end) {
                return Err(Break::EnterAgain);
            }
        }
        Ok(())
    }
}

struct Every {
    period: Duration,
    watch: Stopwatch,
}

impl Every {
    fn new(period: Duration) -> Self {
        Self { period, watch: Stopwatch::start() }
    }

    /// At most once in a period.
    fn is_due(&mut self) -> bool {
        let due = self.watch.elapsed() >= self.period;
        if due {
            self.restart();
        }
        due
    }

    fn restart(&mut self) {
        self.watch = Stopwatch::start();
    }
}
