//! Time. Wall time is read only where something is dated or measured at the edge; decisions use the log's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::process::Process;

/// The wall clock, or one that a test sets.
#[derive(Debug, Clone, Default)]
pub struct Clock(Kind);

#[derive(Debug, Clone, Default)]
enum Kind {
    #[default]
    System,
    /// What it shows.
    Fixed(Arc<AtomicI64>),
    /// What it showed at that moment.
    Running(Arc<AtomicI64>, Stopwatch),
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until `set` moves it.
    pub fn fixed(now_ms: i64) -> Self {
        Self(Kind::Fixed(Arc::new(AtomicI64::new(now_ms))))
    }

    /// A clock that goes on from there with the time of sleeps, also where that is paused, until `set` makes it jump.
    pub fn running(now_ms: i64) -> Self {
        Self(Kind::Running(Arc::new(AtomicI64::new(now_ms)), Stopwatch::start()))
    }

    /// Moves a test's clock; a system clock ignores it.
    pub fn set(&self, now_ms: i64) {
        match &self.0 {
            Kind::System => {}
            Kind::Fixed(shows) => shows.store(now_ms, Ordering::SeqCst),
            Kind::Running(showed, since) => showed.store(now_ms - ms(since.elapsed()), Ordering::SeqCst),
        }
    }

    /// Milliseconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Kind::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ms),
            Kind::Fixed(shows) => shows.load(Ordering::SeqCst),
            Kind::Running(showed, since) => showed.load(Ordering::SeqCst) + ms(since.elapsed()),
        }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Measures how long something took, by the time of sleeps: where that is paused, so is this.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A seed for jitter; good for nothing else.
#[expect(clippy::disallowed_methods, reason = "a seed for jitter")]
pub(crate) fn jitter_seed() -> u64 {
    if let Some(process) = Process::current() {
        return process.random();
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
}
