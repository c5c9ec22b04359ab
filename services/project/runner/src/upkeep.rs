//! What is done now and then beside following: comparing the store, the end and the log's id with what was left, the group's offset, lag.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use crate::config::RunnerConfig;
use crate::course::{Course, Leg};
use crate::error::{Break, Flow};
use crate::pending::Cut;
use crate::projection::{Projection, Target};
use crate::runner::Loop;

/// When what was done last.
pub(crate) struct Upkeep {
    check: Every,
    touch: Every,
    commit: Every,
    /// When the store was last where it should be.
    seen: Stopwatch,
    /// What the group's offset is, as far as this member knows.
    committed: Option<u64>,
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
        self.committed = None;
        self.seen();
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
        if self.upkeep.commit.is_due() {
            self.commit().await;
        }
        if !self.upkeep.check.is_due() {
            return Ok(());
        }
        let end = self.bounds().await?.end;
        if end < course.at {
            return Err(Break::EnterAgain);
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
                    let ended_ms = Some(self.clock.now_ms());
                    self.apply(course, Cut { items: 0, to, ended_ms }).await?;
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

    /// Stores the group's offset when it has changed: the live store's position, never more.
    pub(crate) async fn commit(&mut self) {
        let Some(position) = self.left_at.filter(|position| self.upkeep.committed != Some(*position)) else { return };
        if self.seat.may_commit() && self.seat.commit(position).await {
            self.upkeep.committed = Some(position);
        }
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
