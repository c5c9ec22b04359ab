//! A store that does not answer: how long to wait, and since when.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, task};

use crate::config::RunnerConfig;
use crate::error::Flow;
use crate::metrics;
use crate::projection::{Projection, StoreError};
use crate::runner::Loop;

pub(crate) struct Trouble {
    backoff: Backoff,
    unusable_retry: Duration,
    since: Option<Stopwatch>,
}

impl Trouble {
    pub(crate) fn new(config: &RunnerConfig) -> Self {
        Self { backoff: Backoff::new(config.backoff.0, config.backoff.1), unusable_retry: config.unusable_retry, since: None }
    }
}

/// A store's answer, or that there was none in time.
pub(crate) type Answer<T> = Option<Result<T, StoreError>>;

impl<P: Projection> Loop<P> {
    /// Says what is wrong, beside the group's offset as well, and waits; in the group, the partition paused.
    pub(crate) async fn store_fails(&mut self, error: Option<StoreError>) -> Flow<()> {
        let (cause, error) = match error {
            None => (metrics::CAUSE_TIMEOUT, StoreError::Away("no answer in time".to_owned())),
            Some(error @ StoreError::Away(_)) => (metrics::CAUSE_AWAY, error),
            Some(error @ StoreError::Unusable(_)) => (metrics::CAUSE_UNUSABLE, error),
        };
        metrics::retry(self.report.name(), cause);
        self.report.store_away(error.to_string());
        self.trouble.since.get_or_insert_with(Stopwatch::start);
        self.commit_now_and_then().await;
        let wait = match error {
            StoreError::Away(_) => self.trouble.backoff.step(),
            StoreError::Unusable(_) => self.trouble.unusable_retry,
        };
        self.seat.unless_gone(task::sleep(wait)).await?;
        self.commit_now_and_then().await;
        self.watch_end().await
    }

    /// A write succeeded, or there was none to be tried again and a read did.
    pub(crate) fn store_works(&mut self) {
        if let Some(since) = self.trouble.since.take() {
            metrics::paused(self.report.name(), since.elapsed());
            self.trouble.backoff.reset();
            self.report.store_back();
        }
    }
}
