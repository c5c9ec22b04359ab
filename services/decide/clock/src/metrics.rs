//! Metrics of the clock.

use loki_telemetry::Metric;
use metrics::{counter, gauge};

pub const TIMERS: Metric = Metric::gauge("lokiops_clock_timers", "Timers that are set; 0 while it stands by");
pub const FIRED: Metric = Metric::counter("lokiops_clock_fired_total", "Timers fired, repetitions included");
pub const LATE_SECONDS: Metric = Metric::gauge(
    "lokiops_clock_late_seconds",
    "For how long the oldest timer that was due has stayed; 0 when none is due, or while it stands by",
);

pub const ALL: [Metric; 3] = [TIMERS, FIRED, LATE_SECONDS];

/// Registers the help texts.
pub fn describe() {
    loki_telemetry::describe::describe(&ALL);
}

pub(crate) fn fired(count: usize) {
    counter!(FIRED.name).increment(count as u64);
}

pub(crate) fn timers(count: usize, late_ms: i64) {
    gauge!(TIMERS.name).set(count as f64);
    gauge!(LATE_SECONDS.name).set(late_ms as f64 / 1_000.0);
}
