//! Reads, applies, arrives, looks after things; again and again until something is not as it was left.

use std::convert::Infallible;

use crate::course::{Course, Leg};
use crate::decode::Decoded;
use crate::error::{Break, Flow, Unreadable};
use crate::pending::{Cut, TooMany};
use crate::projection::Projection;
use crate::runner::Loop;

impl<P: Projection> Loop<P> {
    pub(crate) async fn follow(&mut self, mut course: Course) -> Flow<Infallible> {
        self.tell(&course);
        self.pending.restart(course.at);
        if let Leg::Replay(_) = course.leg {
            // Marks it `building` before anything else: from here on readers get "not yet" instead of an older truth.
            let here = Cut { items: 0, to: course.at, ended_ms: None };
            self.apply(&mut course, here).await?;
        } else if let Leg::Live = course.leg {
            self.left_at = Some(course.at);
        }
        self.seat.start(course.at, self.records_max(&course)).await?;
        self.upkeep.begin();
        loop {
            if let Some(read) = self.seat.next(self.config.check_every).await? {
                self.take(&mut course, read).await?;
                self.arrive(&mut course).await?;
            }
            self.look_after(&mut course).await?;
        }
    }

    /// Applies what was read, as far as it is whole; a record that cannot be read stops it behind everything before.
    async fn take(&mut self, course: &mut Course, mut read: Decoded<P::Item>) -> Flow<()> {
        if read.position > course.at && course.is_late(self.clock.now_ms(), self.config.steps_kept_ms, self.config.removals_kept_ms) {
            tracing::warn!(projection = self.report.name(), position = course.at, "the log does not keep for so long what comes next");
            return Err(Break::EnterAgain);
        }
        let mut unreadable = read.unreadable.take();
        course.newest_ms = read.newest_ms.or(course.newest_ms);
        if let Err(TooMany { command, offset }) = self.pending.add(read) {
            let reason = format!("command {command} has more than {} records", self.config.command_records_max);
            unreadable = Some(Unreadable { partition: self.partition.clone(), offset, reason });
        }
        while let Some(cut) = self.pending.cut(self.records_max(course), self.config.batch_bytes_max) {
            self.apply(course, cut).await?;
        }
        unreadable.map_or(Ok(()), |record| Err(Break::Unreadable(record)))
    }

    /// Everything that was read is applied: is it enough for readers?
    async fn arrive(&mut self, course: &mut Course) -> Flow<()> {
        let ended_ms = self.pending.ended_ms();
        let (replays, rebuilds) = (matches!(course.leg, Leg::Replay(_)), matches!(course.leg, Leg::Rebuild { .. }));
        // The end itself lay behind the last record: transaction markers, or nothing at all. What a rebuild takes the place of has counted them:
        // readers must not take the new one for an older copy.
        if let (Some(ended_ms), Some(to)) = (ended_ms, self.pending.drained())
            && (replays || rebuilds && to > course.at)
        {
            self.apply(course, Cut { items: 0, to, ended_ms: Some(ended_ms) }).await?;
        }
        if rebuilds {
            self.arrive_rebuilding(course, ended_ms).await?;
        }
        if self.pending.ended_ms().is_some() && matches!(course.leg, Leg::Live) {
            self.report.at_end();
        }
        Ok(())
    }

    /// Says what the loop does.
    pub(crate) fn tell(&self, course: &Course) {
        match course.leg {
            Leg::Live => self.report.follows(),
            Leg::Replay(goal) => self.report.replays(course.at, goal.end),
            Leg::Rebuild { goal, reason, .. } => self.report.rebuilds(course.at, goal.end, reason),
        }
    }

    /// Nobody waits for a single record of a store that is being filled: larger steps are cheaper.
    pub(crate) fn records_max(&self, course: &Course) -> usize {
        match course.leg {
            Leg::Live => self.config.batch_records_max,
            Leg::Replay(_) | Leg::Rebuild { .. } => self.config.rebuild_records_max,
        }
    }

    /// The store is live and up to date from here on.
    pub(crate) fn goes_live(&mut self, course: &mut Course) {
        course.leg = Leg::Live;
        self.seat.read_at_most(self.config.batch_records_max);
        self.tell(course);
    }
}
