//! Metrics of the loop, counted per batch. Label `projection`: its name.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

use crate::entry::Reason;
use crate::status::Phase;

pub const APPLIED: Metric = Metric::counter("lokiops_project_applied_records_total", "Records that the store holds now");
pub const BATCH: Metric = Metric::histogram("lokiops_project_batch_records", "Records in one batch");
pub const APPLY: Metric = Metric::histogram("lokiops_project_apply_seconds", "How long the store took to apply one batch");
pub const LAG: Metric = Metric::gauge("lokiops_project_lag_records", "Offsets between the store's position and the end of the log");
pub const LAG_SECONDS: Metric = Metric::gauge("lokiops_project_lag_seconds", "Age of the newest record applied; 0 at the end of the log");
pub const POSITION: Metric = Metric::gauge("lokiops_project_position", "The store's position");
/// Label `cause`: one of the `CAUSE_…`.
pub const RETRIES: Metric = Metric::counter("lokiops_project_retries_total", "Calls of the store or the log that are repeated, by cause");
pub const REFUSED: Metric =
    Metric::counter("lokiops_project_refused_batches_total", "Batches that the store refused because it was not where they begin");
/// Label `reason`: `Reason::code`.
pub const REBUILDS: Metric = Metric::counter("lokiops_project_rebuilds_total", "Rebuilds that were begun, by reason");
pub const PAUSED: Metric = Metric::histogram("lokiops_project_paused_seconds", "How long the store could not be written to, per failure");
pub const UNREADABLE: Metric =
    Metric::counter("lokiops_project_unreadable_records_total", "Records that could not be read and stopped the partition");
/// Label `state`: `Phase::as_str`; 1 for the present one.
pub const STATE: Metric = Metric::gauge("lokiops_project_state", "1 for the state that the projection is in");

pub const CAUSE_AWAY: &str = "store_away";
pub const CAUSE_TIMEOUT: &str = "store_timeout";
pub const CAUSE_UNUSABLE: &str = "store_unusable";
pub const CAUSE_LOG: &str = "log_away";
pub const CAUSE_COMMIT: &str = "commit";

pub const ALL: [Metric; 12] = [APPLIED, BATCH, APPLY, LAG, LAG_SECONDS, POSITION, RETRIES, REFUSED, REBUILDS, PAUSED, UNREADABLE, STATE];

/// Registers the help texts.
pub fn describe() {
    loki_telemetry::describe::describe(&ALL);
}

pub(crate) fn applied(projection: &'static str, records: usize, took: Duration) {
    counter!(APPLIED.name, "projection" => projection).increment(records as u64);
    histogram!(BATCH.name, "projection" => projection).record(records as f64);
    histogram!(APPLY.name, "projection" => projection).record(took.as_secs_f64());
}

pub(crate) fn position(projection: &'static str, position: u64) {
    gauge!(POSITION.name, "projection" => projection).set(position as f64);
}

pub(crate) fn lag(projection: &'static str, records: u64, age_ms: Option<i64>) {
    gauge!(LAG.name, "projection" => projection).set(records as f64);
    if let Some(age_ms) = age_ms {
        gauge!(LAG_SECONDS.name, "projection" => projection).set(age_ms as f64 / 1_000.0);
    }
}

pub(crate) fn retry(projection: &'static str, cause: &'static str) {
    counter!(RETRIES.name, "projection" => projection, "cause" => cause).increment(1);
}

pub(crate) fn refused(projection: &'static str) {
    counter!(REFUSED.name, "projection" => projection).increment(1);
}

pub(crate) fn rebuild(projection: &'static str, reason: Reason) {
    counter!(REBUILDS.name, "projection" => projection, "reason" => reason.code()).increment(1);
}

pub(crate) fn paused(projection: &'static str, took: Duration) {
    histogram!(PAUSED.name, "projection" => projection).record(took.as_secs_f64());
}

pub(crate) fn unreadable(projection: &'static str) {
    counter!(UNREADABLE.name, "projection" => projection).increment(1);
}

pub(crate) fn state(projection: &'static str, now: Phase) {
    for phase in Phase::ALL {
        gauge!(STATE.name, "projection" => projection, "state" => phase.as_str()).set(if phase == now { 1.0 } else { 0.0 });
    }
}
