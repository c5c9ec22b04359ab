//! The loop, from the top: join, wait for the partition, look where to go on, follow the log; on anything unexpected look again.

use std::convert::Infallible;
use std::sync::Arc;

use loki_domain::LogId;
use loki_log::{Log, Partition};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Clock, Shutdown, task};
use loki_telemetry::Health;

use crate::config::RunnerConfig;
use crate::control::{self, Control, Requests};
use crate::course::Course;
use crate::entry::Reason;
use crate::error::{Break, Error, Flow, Unreadable};
use crate::metrics;
use crate::pending::Pending;
use crate::projection::{Projection, State, Stored};
use crate::report::Report;
use crate::seat::Seat;
use crate::status::{Mode, Status};
use crate::trouble::Trouble;
use crate::upkeep::Upkeep;

/// The loop of one projection, ready to run.
pub struct Runner<P: Projection> {
    projection: P,
    log: Arc<dyn Log>,
    config: RunnerConfig,
    clock: Clock,
    report: Report,
    control: Control,
    requests: Requests,
}

impl<P: Projection> Runner<P> {
    /// Adds the projection's name to `health`.
    pub fn new(projection: P, log: Arc<dyn Log>, config: RunnerConfig, clock: Clock, health: &Health) -> Self {
        let report = Report::new(projection.name(), clock.clone(), health);
        let (control, requests) = control::control(report.status());
        Self { projection, log, config, clock, report, control, requests }
    }

    pub fn status(&self) -> Status {
        self.report.status()
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until shutdown begins. A store or a log that is away, now or at the start, is waited for; an error is one that waiting cannot mend.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        Box::pin(Loop::new(self, shutdown).run()).await
    }
}

/// What the loop works with. Its steps are told in `enter`, `follow`, `apply`, `rebuild` and `upkeep`.
pub(crate) struct Loop<P: Projection> {
    pub projection: P,
    pub log: Arc<dyn Log>,
    pub config: RunnerConfig,
    pub clock: Clock,
    pub report: Report,
    pub requests: Requests,
    pub partition: Partition,
    pub seat: Seat<P::Item>,
    pub pending: Pending<P::Item>,
    pub trouble: Trouble,
    pub upkeep: Upkeep,
    /// Waits between looks at a store and a log that do not agree.
    pub reentry: Backoff,
    /// Where the live store is: what the group's offset may become.
    pub left_at: Option<u64>,
    /// The newest request for a rebuild when it last entered.
    pub entered_at: u64,
    /// The store was asked for a rebuild when it last entered.
    pub entered_asked: bool,
    /// What was found to be wrong and is not given up yet.
    pub verdict: Option<Verdict>,
}

/// That the main generation, where it was then, holds what is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub stored: Stored,
    pub reason: Reason,
}

impl Verdict {
    /// Whether it is about the store as it is now. One that has moved was filled by somebody, who has looked at the log as well.
    pub(crate) fn is_about(&self, stored: Option<Stored>) -> bool {
        stored.is_some_and(|stored| (stored.log, stored.position) == (self.stored.log, self.stored.position))
    }
}

impl<P: Projection> Loop<P> {
    fn new(runner: Runner<P>, shutdown: Shutdown) -> Self {
        let Runner { projection, log, config, clock, report, control: _, requests } = runner;
        Self {
            partition: Partition::only(&config.topic),
            seat: Seat::new(log.clone(), &config, clock.clone(), shutdown, report.clone()),
            pending: Pending::new(config.command_records_max),
            trouble: Trouble::new(&config),
            upkeep: Upkeep::new(&config),
            reentry: Backoff::new(config.backoff.0, config.backoff.1),
            left_at: None,
            entered_at: 0,
            entered_asked: false,
            verdict: None,
            projection,
            log,
            config,
            clock,
            report,
            requests,
        }
    }

    async fn run(mut self) -> Result<(), Error> {
        let result = loop {
            match self.serve().await {
                Break::Shutdown => break Ok(()),
                Break::Fatal(error) => break Err(error),
                Break::Gone | Break::EnterAgain | Break::Unreadable(_) => {
                    self.commit().await;
                    self.seat.release().await;
                    self.report.waits(Mode::Joining);
                }
            }
        };
        if let Err(error) = &result {
            tracing::error!(projection = self.report.name(), error = %error, "the projection ends");
        }
        self.report.ended(result.as_ref().err().map(ToString::to_string));
        self.commit().await;
        self.seat.leave().await;
        result
    }

    /// From one assignment of the partition to its end.
    async fn serve(&mut self) -> Break {
        let Err(why) = self.try_serve().await;
        why
    }

    async fn try_serve(&mut self) -> Flow<Infallible> {
        self.stand_by().await?;
        loop {
            let Err(why) = self.enter_and_follow().await;
            match why {
                Break::EnterAgain => {
                    self.left_at = None;
                    let wait = self.reentry.step();
                    self.seat.unless_gone(task::sleep(wait)).await?;
                }
                Break::Unreadable(record) => match self.stay_stopped(record).await {
                    Ok(()) | Err(Break::EnterAgain) => {}
                    Err(other) => return Err(other),
                },
                other => return Err(other),
            }
        }
    }

    /// Waits for the partition.
    async fn stand_by(&mut self) -> Flow<()> {
        let watch = Stopwatch::start();
        while !self.seat.holds() {
            self.seat.stand_by().await?;
            if self.seat.has_joined() && watch.elapsed() >= self.config.stand_by_after {
                self.report.waits(Mode::StandingBy);
            }
        }
        Ok(())
    }

    async fn enter_and_follow(&mut self) -> Flow<Infallible> {
        let course: Course = self.enter().await?;
        self.follow(course).await
    }

    /// Stays in the group, at its position, until the partition goes, an operator asks for one more rebuild, or the store is not where it was left
    /// any more. Reading the record again would not help: a release that can read it will begin here. A request that was open already when it
    /// entered has led here, and would again.
    async fn stay_stopped(&mut self, record: Unreadable) -> Flow<()> {
        metrics::unreadable(self.report.name());
        let reason = record.to_string();
        tracing::error!(projection = self.report.name(), offset = record.offset, error = %reason, "stopped: a release that can read it goes on");
        self.report.stopped(reason);
        self.commit().await;
        let left = self.report.last_stored().map(place);
        loop {
            self.seat.unless_gone(task::sleep(self.config.check_every)).await?;
            let stored = self.stored().await?;
            self.store_works();
            self.commit_now_and_then().await;
            let asked_anew = self.requests.newest() > self.entered_at || self.projection.is_asked() && !self.entered_asked;
            if asked_anew || stored.map(place) != left {
                self.entered_asked = self.projection.is_asked();
                return Ok(());
            }
        }
    }
}

/// What tells one place of a store from another. The time is another each time that somebody looks.
fn place(stored: Stored) -> (LogId, u64, State) {
    (stored.log, stored.position, stored.state)
}
