//! Metrics of the store, counted per batch and per read. Label `projection`: `mysql`, `history` or `cdn_system`; label `table`: one of the store's tables.

use loki_runtime::clock::Stopwatch;
use loki_telemetry::Metric;
use metrics::{counter, histogram};

pub const ROWS: &str = "lokiops_project_mysql_rows_total";
pub const APPLY_SECONDS: &str = "lokiops_project_mysql_apply_seconds";
pub const READ_SECONDS: &str = "lokiops_project_mysql_read_seconds";
/// Label `reason`: one of the `REASON_…`.
pub const NOT_READY: &str = "lokiops_project_mysql_reads_not_ready_total";

pub const REASON_EMPTY: &str = "empty";
pub const REASON_BUILDING: &str = "building";
pub const REASON_BEHIND: &str = "behind";
pub const REASON_SET_BACK: &str = "set_back";
pub const REASON_CROWDED: &str = "crowded";

/// All of them, with their help texts.
pub const ALL: [Metric; 4] = [
    Metric::counter(ROWS, "Rows that were written to or deleted from the relational store"),
    Metric::histogram(APPLY_SECONDS, "Time to apply one batch to the relational store, commit included"),
    Metric::histogram(READ_SECONDS, "Time to answer one question from the relational store"),
    Metric::counter(NOT_READY, "Questions that the relational store could not answer yet, by reason"),
];

pub(crate) fn written(table: &'static str, upserts: usize, deletes: usize) {
    counter!(ROWS, "table" => table, "change" => "upsert").increment(upserts as u64);
    counter!(ROWS, "table" => table, "change" => "delete").increment(deletes as u64);
}

pub(crate) fn not_ready(projection: &'static str, reason: &'static str) {
    counter!(NOT_READY, "projection" => projection, "reason" => reason).increment(1);
}

/// Measures until it is told that the work is done.
pub(crate) struct Timer {
    metric: &'static str,
    projection: &'static str,
    watch: Stopwatch,
}

impl Timer {
    pub(crate) fn done(self) {
        histogram!(self.metric, "projection" => self.projection).record(self.watch.elapsed().as_secs_f64());
    }
}

pub(crate) fn apply_timer(projection: &'static str) -> Timer {
    Timer { metric: APPLY_SECONDS, projection, watch: Stopwatch::start() }
}

pub(crate) fn read_timer(projection: &'static str) -> Timer {
    Timer { metric: READ_SECONDS, projection, watch: Stopwatch::start() }
}
