//! How far behind the active decider is, for metrics alone: nothing is decided by it.

use std::sync::Arc;
use std::time::Duration;

use loki_log::{Log, Partition};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use tokio::task::JoinHandle;

use crate::metrics;
use crate::seat::Seat;

/// How often the end of the commands is asked for.
const ASK_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Lag {
    log: Arc<dyn Log>,
    commands: Partition,
    clock: Clock,
    asked: Option<(Stopwatch, JoinHandle<()>)>,
}

impl Lag {
    pub(crate) fn new(log: Arc<dyn Log>, commands: Partition) -> Self {
        Self { log, commands, clock: Clock::system(), asked: None }
    }

    /// `next`: the first command without an outcome. While nothing was read and the end is not known, what was said last stands.
    pub(crate) fn tell(&mut self, seat: &Seat, next: u64) {
        if let Some(oldest) = seat.waiting.front() {
            metrics::lag_seconds(self.age(oldest.timestamp_ms));
        } else if seat.is_at_end() {
            metrics::lag_seconds(0.0);
            metrics::lag(0);
            return;
        }
        if self.asked.as_ref().is_none_or(|(since, _)| since.elapsed() >= ASK_EVERY) {
            self.ask(next);
        }
    }

    /// A batch was committed whose oldest command is of that time.
    pub(crate) fn answered(&self, oldest_ms: i64) {
        metrics::took_to_answer(self.age(oldest_ms));
    }

    /// Beside the loop: a log that answers slowly does not hold it up.
    fn ask(&mut self, next: u64) {
        self.stop_asking();
        let (log, commands) = (self.log.clone(), self.commands.clone());
        let asking = task::spawn("lag", async move {
            if let Some(Ok(bounds)) = task::timeout(ASK_EVERY, log.bounds(&commands)).await {
                metrics::lag(bounds.end.saturating_sub(next));
            }
        });
        self.asked = Some((Stopwatch::start(), asking));
    }

    fn stop_asking(&mut self) {
        if let Some((_, asking)) = self.asked.take() {
            asking.abort();
        }
    }

    fn age(&self, timestamp_ms: i64) -> f64 {
        (self.clock.now_ms() - timestamp_ms).max(0) as f64 / 1_000.0
    }
}

impl Drop for Lag {
    /// Whoever stands by is not behind.
    fn drop(&mut self) {
        self.stop_asking();
        metrics::lag_seconds(0.0);
        metrics::lag(0);
    }
}
