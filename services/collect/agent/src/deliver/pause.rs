//! A wait that began at some moment, and what is left of it.

use std::time::Duration;

use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;

pub(super) struct Pause {
    since: Stopwatch,
    length: Duration,
}

impl Pause {
    pub(super) fn new(length: Duration) -> Self {
        Self { since: Stopwatch::start(), length }
    }

    /// Between half and the whole of it, different for each host.
    pub(super) fn jittered(length: Duration) -> Self {
        Self::new(Backoff::new(length, length).step())
    }

    pub(super) fn left(&self) -> Duration {
        self.length.saturating_sub(self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_shrinks_to_nothing() {
        let hour = Duration::from_secs(3_600);
        assert!(Pause::new(hour).left() <= hour && Pause::new(hour).left() > hour / 2);
        assert_eq!(Pause::new(Duration::ZERO).left(), Duration::ZERO);
        let jittered = Pause::jittered(hour).left();
        assert!(jittered <= hour && jittered > hour / 3, "{jittered:?}");
    }
}
