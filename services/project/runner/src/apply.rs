//! One step of the store: tried until the store holds it, or until the store turns out to be somewhere else.
//!
//! The result of a write that failed is unknown. The store's position tells: still at `from`, and the same batch is written again; already at
//! `to`, and the next one is; anywhere else, and the loop enters again. What was read from the log is kept meanwhile.

use loki_runtime::clock::Stopwatch;
use loki_telemetry::fields;

use crate::course::{Course, Leg};
use crate::error::{Break, Flow};
use crate::metrics;
use crate::pending::Cut;
use crate::projection::{Applied, Batch, Item, Projection, State, Stored, Target};
use crate::runner::Loop;

impl<P: Projection> Loop<P> {
    pub(crate) async fn apply(&mut self, course: &mut Course, cut: Cut) -> Flow<()> {
        let target = course.target();
        let reached_ms = course.reaches(cut.to, cut.ended_ms);
        let state = if target == Target::Main && reached_ms.is_some() { State::Live } else { course.state() };
        let mut unsure = false;
        loop {
            let items = self.pending.first(cut.items);
            let batch = Batch { log: course.log, target, from: course.at, to: cut.to, items, state, ended_ms: reached_ms };
            let watch = Stopwatch::start();
            match self.seat.finish(self.config.store_timeout, self.projection.apply(batch)).await? {
                Some(Ok(Applied::Done)) => {
                    metrics::applied(self.report.name(), cut.items, watch.elapsed());
                    break;
                }
                Some(Ok(Applied::Refused)) => {
                    metrics::refused(self.report.name());
                    if self.holds_it(course, cut, unsure).await? {
                        break;
                    }
                    return Err(Break::EnterAgain);
                }
                Some(Err(error)) => self.store_fails(Some(error)).await?,
                None => self.store_fails(None).await?,
            }
            unsure = true;
            if target == Target::Main {
                let stored = self.stored().await?;
                if is_at(course, stored, cut.to) && cut.to != course.at {
                    break;
                }
                if !is_at(course, stored, course.at) {
                    return Err(Break::EnterAgain);
                }
            }
        }
        self.moved(course, cut, state, reached_ms);
        Ok(())
    }

    /// Whether a refused step was taken already, by a write whose result was unknown.
    async fn holds_it(&mut self, course: &Course, cut: Cut, unsure: bool) -> Flow<bool> {
        if course.target() == Target::Main {
            return Ok(cut.to != course.at && is_at(course, self.stored().await?, cut.to));
        }
        if !unsure {
            return Ok(false);
        }
        // A shadow's position cannot be read, but an empty step from there to there is refused anywhere else.
        loop {
            let batch = Batch {
                log: course.log,
                target: Target::Shadow,
                from: cut.to,
                to: cut.to,
                items: &[],
                state: State::Building,
                ended_ms: None,
            };
            match self.seat.finish(self.config.store_timeout, self.projection.apply(batch)).await? {
                Some(Ok(applied)) => return Ok(applied == Applied::Done),
                Some(Err(error)) => self.store_fails(Some(error)).await?,
                None => self.store_fails(None).await?,
            }
        }
    }

    /// The store holds the step.
    fn moved(&mut self, course: &mut Course, cut: Cut, state: State, reached_ms: Option<i64>) {
        let items = self.pending.first(cut.items);
        if let (Some(first), Some(last)) = (items.first(), items.last()) {
            tracing::debug!(
                projection = self.report.name(),
                from = course.at,
                to = cut.to,
                records = cut.items,
                { fields::COMMAND_FIRST } = first.command(),
                { fields::COMMAND_LAST } = last.command(),
                "applied"
            );
        }
        self.pending.drop_first(cut.items);
        course.at = cut.to;
        course.ended_ms = reached_ms.or(course.ended_ms);
        self.store_works();
        self.reentry.reset();
        if course.target() == Target::Main {
            self.left(course, state);
        }
        match course.leg {
            Leg::Replay(_) if state == State::Live => self.goes_live(course),
            Leg::Replay(_) | Leg::Rebuild { .. } => self.tell(course),
            Leg::Live => {}
        }
    }

    /// The main generation is where this member left it.
    pub(crate) fn left(&mut self, course: &Course, state: State) {
        let ended_ms = course.ended_ms.unwrap_or_default();
        self.report.stored(Some(Stored { log: course.log, position: course.at, state, ended_ms }));
        self.left_at = (state == State::Live).then_some(course.at);
        self.upkeep.seen();
    }
}

fn is_at(course: &Course, stored: Option<Stored>, position: u64) -> bool {
    stored.is_some_and(|stored| stored.log == course.log && stored.position == position)
}
