//! Exponential waits with jitter, bounded.

use std::time::Duration;

/// Doubles from `first` to `max`; each wait is between half and the whole of its step, so that many waiters do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
    seed: u64,
}

impl Backoff {
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, next: first, seed: crate::clock::jitter_seed() | 1 }
    }

    /// For a backend that is away: 50 ms to 5 s.
    pub fn for_backend() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }

    /// Called after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next wait.
    pub fn step(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        // xorshift: jitter needs no better randomness
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        whole / 2 + (whole / 2).mul_f64((self.seed % 1000) as f64 / 1000.0)
    }

    pub async fn wait(&mut self) {
        let wait = self.step();
        crate::task::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80));
        let waits: Vec<_> = (0..10).map(|_| backoff.step()).collect();
        assert!(waits[0] <= Duration::from_millis(10) && waits[0] >= Duration::from_millis(5));
        assert!(waits.iter().all(|w| *w <= Duration::from_millis(80)));
        assert!(waits[9] >= Duration::from_millis(40));
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(10));
    }
}
