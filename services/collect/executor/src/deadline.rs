//! How long something may still take.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    since: Stopwatch,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn within(limit: Duration) -> Self {
        Self { since: Stopwatch::start(), limit }
    }

    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.left().is_zero()
    }
}
