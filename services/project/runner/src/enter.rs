//! Looks at the store, the group and the log, and begins where `entry::decide` says.

use std::time::Duration;

use loki_domain::LogId;
use loki_log::{Bounds, Class, Committed, Partition, Reader};
use loki_runtime::task;

use crate::course::{Course, Goal, Leg};
use crate::entry::{self, Entry, Situation};
use crate::error::{Break, Error, Flow};
use crate::log_id::LogIdSearch;
use crate::metrics;
use crate::projection::{Projection, Stored};
use crate::runner::Loop;
use crate::status::Mode;

/// How long the log may take to answer.
pub(crate) const LOG_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one read waits for the log's first records.
const LOG_ID_WAIT: Duration = Duration::from_secs(1);

impl<P: Projection> Loop<P> {
    /// Where to go on.
    pub(crate) async fn enter(&mut self) -> Flow<Course> {
        self.left_at = None;
        self.upkeep.committed_is(None);
        self.entered_at = self.requests.newest();
        self.report.entering();
        let log = self.log_id().await?;
        // The store first: another member may still be writing, and a position read later than the end would look like one beyond it.
        let stored = self.stored().await?;
        let asked = self.projection.is_asked() || self.requests.open().is_some();
        self.entered_asked = self.projection.is_asked();
        if let Some(end) = self.seat.take_short() {
            self.judge(end);
        }
        let committed = self.committed().await?;
        self.upkeep.committed_is(Some(committed.clone()));
        let bounds = self.bounds().await?;
        let now_ms = self.clock.now_ms();
        let committed = committed.map(|committed| committed.position);
        let verdict = self.verdict.take().filter(|verdict| verdict.is_about(stored)).map(|verdict| verdict.reason);
        let (steps_kept_ms, removals_kept_ms) = (self.config.steps_kept_ms, self.config.removals_kept_ms);
        let situation = Situation { stored, verdict, asked, committed, log, bounds, now_ms, steps_kept_ms, removals_kept_ms };
        let entry = entry::decide(&situation);
        tracing::info!(projection = self.report.name(), ?entry, end = bounds.end, "entering");
        let goal = Goal { end: bounds.end, at_ms: now_ms };
        let ended_ms = stored.map(|stored| if stored.position == bounds.end { now_ms } else { stored.ended_ms });
        match entry {
            Entry::Resume { from } => Ok(Course { ended_ms, ..Course::new(log, from, Leg::Live) }),
            Entry::Replay { from } => Ok(Course { ended_ms, ..Course::new(log, from, Leg::Replay(goal)) }),
            Entry::Rebuild(reason) => self.begin_rebuild(reason, stored, log, bounds.start, goal).await,
        }
    }

    /// What the main generation says, as soon as the store answers.
    pub(crate) async fn stored(&mut self) -> Flow<Option<Stored>> {
        loop {
            let call = task::timeout(self.config.store_timeout, self.projection.stored());
            match self.seat.unless_gone(call).await? {
                Some(Ok(stored)) => {
                    self.report.stored(stored);
                    return Ok(stored);
                }
                Some(Err(error)) => self.store_fails(Some(error)).await?,
                None => self.store_fails(None).await?,
            }
        }
    }

    pub(crate) async fn bounds(&mut self) -> Flow<Bounds> {
        loop {
            let call = task::timeout(LOG_TIMEOUT, self.log.bounds(&self.partition));
            match self.seat.unless_gone(call).await? {
                Some(Ok(bounds)) => {
                    self.report.log_back();
                    self.report.end_is(bounds.end);
                    return Ok(bounds);
                }
                Some(Err(error)) => self.log_fails(Some(error)).await?,
                None => self.log_fails(None).await?,
            }
        }
    }

    async fn committed(&mut self) -> Flow<Option<Committed>> {
        loop {
            let call = task::timeout(LOG_TIMEOUT, self.log.committed(&self.config.group, &self.partition));
            match self.seat.unless_gone(call).await? {
                Some(Ok(committed)) => return Ok(committed),
                Some(Err(error)) => self.log_fails(Some(error)).await?,
                None => self.log_fails(None).await?,
            }
        }
    }

    /// The log's id, as soon as the log has one.
    pub(crate) async fn log_id(&mut self) -> Flow<LogId> {
        let facts = Partition::only(&self.config.facts_topic);
        loop {
            let log = self.log.clone();
            let found = match self.seat.unless_gone(task::timeout(LOG_TIMEOUT, log.reader(&facts, 0))).await? {
                Some(Ok(reader)) => self.find_log_id(reader, &facts).await?,
                Some(Err(error)) => Err(Some(error)),
                None => Err(None),
            };
            match found {
                Ok(id) => {
                    self.report.log_back();
                    self.report.log_is(id);
                    return Ok(id);
                }
                Err(error) => self.log_fails(error).await?,
            }
        }
    }

    async fn find_log_id(&mut self, mut reader: Box<dyn Reader>, facts: &Partition) -> Flow<Result<LogId, Option<loki_log::Error>>> {
        let mut search = LogIdSearch::default();
        loop {
            let batch = match self.seat.unless_gone(reader.read(search.left(), LOG_ID_WAIT)).await? {
                Ok(batch) => batch,
                Err(error) => return Ok(Err(Some(error))),
            };
            if let Some(id) = search.look(facts, &batch).map_err(Break::Unreadable)? {
                return Ok(Ok(id));
            }
            if batch.records.is_empty() {
                self.report.log_back();
                self.report.waits(Mode::WaitingForLog);
                self.commit_now_and_then().await;
            }
        }
    }

    /// Says what is wrong with the log and waits, or gives up.
    pub(crate) async fn log_fails(&mut self, error: Option<loki_log::Error>) -> Flow<()> {
        let error = error.unwrap_or_else(|| loki_log::Error::Away("no answer in time".to_owned()));
        match error.class() {
            Class::Retry | Class::Abort | Class::Fenced => {}
            Class::Invalid if matches!(error, loki_log::Error::OutOfRange { .. }) => return Err(Break::EnterAgain),
            Class::Invalid if matches!(error, loki_log::Error::NoSuchTopic(_)) => {}
            Class::Invalid | Class::Fatal => return Err(Break::Fatal(Error::Log(error))),
        }
        metrics::retry(self.report.name(), metrics::CAUSE_LOG);
        self.report.log_away(error.to_string());
        let wait = self.reentry.step();
        self.seat.unless_gone(task::sleep(wait)).await
    }
}
