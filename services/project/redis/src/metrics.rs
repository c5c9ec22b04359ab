//! Metrics of the live state, counted per step or record, never per series.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, histogram};

pub const WRITES: Metric = Metric::counter("lokiops_redis_writes_total", "Steps that were written, by projection");
pub const SERIES: Metric = Metric::counter("lokiops_redis_series_total", "Values of series in the steps that were written");
pub const WRITE_SECONDS: Metric = Metric::histogram("lokiops_redis_write_seconds", "From sending a step to its acknowledgement");
pub const REFUSED: Metric =
    Metric::counter("lokiops_redis_refused_total", "Steps refused because the store was at another position, by projection");
pub const FILLED: Metric = Metric::counter("lokiops_redis_filled_total", "Partitions of samples that were filled anew, by reason");
pub const SKIPPED: Metric =
    Metric::counter("lokiops_redis_points_skipped_total", "Points that are not for the live state, by reason: `unreadable`, `misplaced`");

/// Label `cause`: one of the `CAUSE_…`.
pub const RETRIES: Metric = Metric::counter("lokiops_redis_retries_total", "Calls of the store of samples that are repeated, by cause");

/// All of them, for the recorder.
pub const ALL: &[Metric] = &[WRITES, SERIES, WRITE_SECONDS, REFUSED, FILLED, SKIPPED, RETRIES];

pub const CAUSE_AWAY: &str = "store_away";
pub const CAUSE_UNUSABLE: &str = "store_unusable";

/// The names of the projections: of their consumer groups, in metrics and logs.
pub const SAMPLES_NAME: &str = "redis-samples";
pub const FACTS_NAME: &str = "redis";

pub(crate) fn wrote(projection: &'static str, took: Duration) {
    counter!(WRITES.name, "projection" => projection).increment(1);
    histogram!(WRITE_SECONDS.name, "projection" => projection).record(took.as_secs_f64());
}

pub(crate) fn series(count: usize) {
    counter!(SERIES.name).increment(count as u64);
}

pub(crate) fn refused(projection: &'static str) {
    counter!(REFUSED.name, "projection" => projection).increment(1);
}

pub(crate) fn filled(reason: &'static str) {
    counter!(FILLED.name, "reason" => reason).increment(1);
}

pub(crate) fn skipped(unreadable: u64, misplaced: u64) {
    for (reason, count) in [("unreadable", unreadable), ("misplaced", misplaced)] {
        if count > 0 {
            counter!(SKIPPED.name, "reason" => reason).increment(count);
        }
    }
}

pub(crate) fn retry(cause: &'static str) {
    counter!(RETRIES.name, "cause" => cause).increment(1);
}
