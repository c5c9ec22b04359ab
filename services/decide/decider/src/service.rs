//! The loop: stand by, take over, decide; from the top again when the log says so.

use std::sync::Arc;
use std::time::Duration;

use loki_log::Log;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Clock, Shutdown, task};
use loki_telemetry::Component;

use crate::config::{Config, Partitions};
use crate::error::Error;
use crate::lag::Lag;
use crate::metrics;
use crate::restore::Restore;
use crate::seat::Seat;
use crate::transact::Lead;

/// Leaving the group must not hold up a shutdown.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// One member of the deciders' group: active, or standing by.
pub struct Decider {
    config: Config,
    partitions: Partitions,
    log: Arc<dyn Log>,
    component: Component,
}

/// Why a turn in the group ended without an error.
enum End {
    Shutdown,
    /// The place went to another member; this one may get it again.
    PlaceLost,
}

impl Decider {
    pub fn new(config: Config, log: Arc<dyn Log>, component: Component) -> Self {
        let partitions = Partitions::of(&config.topics);
        Self { config, partitions, log, component }
    }

    /// Runs until shutdown, or until an error that no repetition can help. A stand-by is ready: it does all that it has to.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        metrics::stands_by();
        let mut backoff = Backoff::for_backend();
        while !shutdown.has_begun() {
            let mut progress = false;
            let result = self.take_part(&shutdown, &mut progress).await;
            metrics::stands_by();
            if progress {
                backoff.reset();
            }
            match result {
                Ok(()) => {}
                Err(error) if error.passes() => {
                    metrics::redone(error.class());
                    self.component.not_ready(error.to_string());
                    shutdown.unless(backoff.wait()).await;
                }
                Err(error) => {
                    self.component.not_ready(error.to_string());
                    tracing::error!(error = %error, "the decider stops");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Joins the group, and leaves it whatever happens: another member should not have to wait for a timeout.
    async fn take_part(&self, shutdown: &Shutdown, progress: &mut bool) -> Result<(), Error> {
        let mut seat = Seat::join(&*self.log, &self.config.group(), &self.partitions.commands, &self.component).await?;
        let result = self.turns(&mut seat, shutdown, progress).await;
        match task::timeout(LEAVE_MAX, seat.leave()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(error = %error, "the group was not left in order"),
            None => tracing::warn!("the group was not left in time"),
        }
        result
    }

    async fn turns(&self, seat: &mut Seat, shutdown: &Shutdown, progress: &mut bool) -> Result<(), Error> {
        self.component.ready();
        loop {
            let Some(held) = shutdown.unless(seat.wait_for_place()).await else { return Ok(()) };
            let held = held?;
            if seat.has_recovered() {
                self.component.ready();
            }
            if !held {
                continue;
            }
            let end = self.lead(seat, shutdown, progress).await?;
            metrics::stands_by();
            if let End::Shutdown = end {
                return Ok(());
            }
            tracing::info!("standing by");
            seat.release().await?;
            self.component.ready();
        }
    }

    /// Takes over and decides until the place is lost.
    async fn lead(&self, seat: &mut Seat, shutdown: &Shutdown, progress: &mut bool) -> Result<End, Error> {
        let watch = Stopwatch::start();
        metrics::restores();
        self.component.not_ready("restoring");
        let restore = Restore { log: &*self.log, config: &self.config, partitions: &self.partitions, component: &self.component };
        let restored = match shutdown.unless(seat.while_held(restore.take_over())).await {
            None => return Ok(End::Shutdown),
            Some(restored) => restored?,
        };
        let Some(restored) = restored else { return Ok(End::PlaceLost) };
        let (book, writer) = restored?;
        seat.start(book.next).await?;
        metrics::restored(watch.elapsed());
        metrics::decides();
        self.component.ready();
        let lag = Lag::new(self.log.clone(), self.partitions.commands.clone(), Clock::system());
        let mut lead = Lead { book, writer, partitions: &self.partitions, component: &self.component, shutdown, lag };
        loop {
            match shutdown.unless(seat.gather(self.config.batch_commands, self.config.batch_wait)).await {
                None => return Ok(End::Shutdown),
                Some(gathered) => gathered?,
            }
            if seat.has_recovered() {
                self.component.ready();
            }
            if !seat.is_held() {
                return Ok(End::PlaceLost);
            }
            let before = lead.book.next;
            lead.lag.tell(seat, before);
            lead.carry_out(seat, self.config.batch_commands).await?;
            *progress |= lead.book.next > before;
        }
    }
}
