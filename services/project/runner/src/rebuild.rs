//! A full rebuild: a shadow generation is filled from the start of the log, then put in the main one's place.

use loki_domain::LogId;

use crate::course::{Course, Goal, Leg};
use crate::entry::Reason;
use crate::error::{Break, Flow};
use crate::projection::{Applied, Batch, Projection, State, Stored, Target};
use crate::runner::{Loop, Verdict};
use crate::trouble::Answer;

/// How often the goal is moved on to a new end before the swap, so that little is left to follow after a long rebuild. It ends all the same
/// when the log grows as fast as it is read.
const GOALS_MORE: u32 = 3;

impl<P: Projection> Loop<P> {
    pub(crate) async fn begin_rebuild(
        &mut self,
        reason: Reason,
        stored: Option<Stored>,
        log: LogId,
        start: u64,
        goal: Goal,
    ) -> Flow<Course> {
        let request = self.requests.newest();
        if let Some(stored) = stored.filter(|stored| reason.is_loud() && !stored.is_given_up()) {
            // remembered until the store has it: it may be away now, and the log longer by the time that it is back
            self.verdict = Some(Verdict { stored, reason });
            self.give_up(stored).await?;
            self.verdict = None;
        }
        self.report.rebuilds(start, goal.end, reason);
        let call = self.projection.begin_rebuild(log, start);
        let begun = self.seat.finish(self.config.rebuild_timeout, call).await?;
        self.done(begun).await?;
        self.report.rebuild_begun(reason);
        match reason.is_loud() {
            true => tracing::error!(projection = self.report.name(), reason = %reason, start, end = goal.end, "rebuilding"),
            false => tracing::info!(projection = self.report.name(), reason = %reason, start, end = goal.end, "rebuilding"),
        }
        let leg = Leg::Rebuild { goal, more: GOALS_MORE, reason, request };
        Ok(Course { ended_ms: Some(goal.at_ms), ..Course::new(log, start, leg) })
    }

    /// What the main generation holds is wrong: until the swap readers get "not yet", and nobody goes on with it.
    async fn give_up(&mut self, stored: Stored) -> Flow<()> {
        let Stored { log, position, .. } = stored;
        let given_up = Stored { state: State::Building, ended_ms: Stored::GIVEN_UP_MS, ..stored };
        let batch = Batch {
            log,
            target: Target::Main,
            from: position,
            to: position,
            items: &[],
            state: given_up.state,
            ended_ms: Some(given_up.ended_ms),
        };
        let call = self.projection.apply(batch);
        let answer = self.seat.finish(self.config.store_timeout, call).await?;
        match self.done(answer).await? {
            Applied::Done => {
                self.report.stored(Some(given_up));
                Ok(())
            }
            Applied::Refused => Err(Break::EnterAgain),
        }
    }

    /// Swaps when the goal is reached and the end is near.
    pub(crate) async fn arrive_rebuilding(&mut self, course: &mut Course, ended_ms: Option<i64>) -> Flow<()> {
        let Some(reached_ms) = course.reaches(course.at, ended_ms) else { return Ok(()) };
        let Leg::Rebuild { goal, more, request, .. } = course.leg.clone() else { return Ok(()) };
        // The end is told once before the markers behind the last record and once behind them. Readers remember how far the store was: the new one
        // must not look like an older copy. A log that is shorter by now was set back.
        if course.at < goal.end && self.bounds().await?.end > course.at {
            return Ok(());
        }
        let at_ms = self.clock.now_ms();
        // What lies before such a goal may have been superseded by what lies behind: that state never was.
        let is_stale = self.config.steps_kept_ms.is_some_and(|kept_ms| at_ms.saturating_sub(goal.at_ms) > kept_ms);
        if ended_ms.is_none() && (more > 0 || is_stale) {
            let end = self.bounds().await?.end;
            let left = end.saturating_sub(course.at);
            if left > self.config.rebuild_records_max as u64 || is_stale && left > 0 {
                if let Leg::Rebuild { goal, more, .. } = &mut course.leg {
                    (*goal, *more) = (Goal { end, at_ms }, more.saturating_sub(1));
                }
                tracing::info!(projection = self.report.name(), goal = goal.end, next = end, "the log went on meanwhile");
                return Ok(());
            }
        }
        self.finish_rebuild(course, reached_ms).await?;
        self.requests.answer(request);
        Ok(())
    }

    async fn finish_rebuild(&mut self, course: &mut Course, ended_ms: i64) -> Flow<()> {
        loop {
            let call = self.projection.finish_rebuild(course.log, course.at, ended_ms);
            match self.seat.finish(self.config.rebuild_timeout, call).await? {
                Some(Ok(Applied::Done)) => break,
                // Perhaps it was swapped by a call whose result was unknown; the time tells that it was ours.
                Some(Ok(Applied::Refused)) => {
                    let swapped = Stored { log: course.log, position: course.at, state: State::Live, ended_ms };
                    if self.stored().await? == Some(swapped) {
                        break;
                    }
                    return Err(Break::EnterAgain);
                }
                Some(Err(error)) => self.store_fails(Some(error)).await?,
                None => self.store_fails(None).await?,
            }
        }
        tracing::info!(projection = self.report.name(), position = course.at, "rebuilt");
        course.ended_ms = Some(ended_ms);
        self.store_works();
        self.reentry.reset();
        self.left(course, State::Live);
        self.goes_live(course);
        Ok(())
    }

    /// The answer of a step that is simply begun again, from the look at the store on.
    async fn done<T>(&mut self, answer: Answer<T>) -> Flow<T> {
        match answer {
            Some(Ok(value)) => {
                self.store_works();
                return Ok(value);
            }
            Some(Err(error)) => self.store_fails(Some(error)).await?,
            None => self.store_fails(None).await?,
        }
        Err(Break::EnterAgain)
    }
}
