//! Sends what waits, oldest first, and comes again when the API is away.

use std::sync::Arc;
use std::time::Duration;

use loki_client::{Part, Taken};
use loki_runtime::{Backoff, Shutdown, task};

use super::{Outbox, Samples};
use crate::metrics;

/// Samples of one request, at most: as many as one record of the log holds.
const SAMPLES_MAX: usize = 1_000;
/// So long more samples are waited for: many targets are probed each second, and one request takes them all.
const GATHER: Duration = Duration::from_millis(500);
/// Between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

pub(crate) struct Delivery {
    samples: Arc<dyn Samples>,
    outbox: Outbox,
    drain: Duration,
    backoff: Backoff,
    /// Why samples were last refused: told once.
    refused: Vec<String>,
    part: Part,
}

impl Delivery {
    pub(crate) fn new(samples: Arc<dyn Samples>, outbox: Outbox, drain: Duration, part: Part) -> Self {
        Self { samples, outbox, drain, backoff: Backoff::new(BACKOFF.0, BACKOFF.1), refused: Vec::new(), part }
    }

    /// Ends when the outbox is closed and empty, or `drain` after shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        self.part.ready();
        let (outbox, drain) = (self.outbox.clone(), self.drain);
        let over = async {
            shutdown.begun().await;
            task::sleep(drain).await;
        };
        let sent_all = tokio::select! {
            () = self.send_all(&shutdown) => true,
            () = over => false,
        };
        if !sent_all {
            // with those of the request that was broken off, which the API may have
            let left = outbox.take(usize::MAX).len();
            metrics::dropped(metrics::DROPPED_SHUTDOWN, left);
            tracing::warn!(points = left, "samples were not sent before the end");
        }
    }

    async fn send_all(&mut self, shutdown: &Shutdown) {
        while self.outbox.filled().await {
            shutdown.unless(task::sleep(GATHER)).await;
            let samples = self.outbox.take(SAMPLES_MAX);
            let count = samples.len();
            // a copy lies in the outbox's place until they are taken: they are lost by no breaking off
            let held = Held { outbox: &self.outbox, samples: samples.clone() };
            match self.samples.send(samples).await {
                Ok(taken) => {
                    held.done();
                    self.took(count, taken);
                }
                Err(failure) => {
                    drop(held);
                    metrics::failed("samples");
                    self.part.not_ready(format!("the API does not take samples: {failure}"));
                    let wait = self.backoff.step().max(failure.retry_after());
                    if shutdown.unless(task::sleep(wait)).await.is_none() {
                        // there is no time for long waits any more
                        task::sleep(BACKOFF.0).await;
                    }
                }
            }
        }
    }

    fn took(&mut self, points: usize, taken: Taken) {
        let Taken { refused, reasons } = taken;
        metrics::sent(points, refused);
        self.backoff.reset();
        self.part.ready();
        if refused > 0 && reasons != self.refused {
            tracing::warn!(points = refused, reasons = ?reasons, "the API refuses samples, which are not sent again");
        }
        self.refused = reasons;
    }
}

/// Samples on their way; they go back unless they are done.
struct Held<'o> {
    outbox: &'o Outbox,
    samples: Vec<loki_domain::Sample>,
}

impl Held<'_> {
    fn done(mut self) {
        self.samples.clear();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.outbox.put_back(std::mem::take(&mut self.samples));
    }
}
