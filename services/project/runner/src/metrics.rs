//! Metrics of the loop, counted per batch. Label `projection`: its name.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

use crate::entry::Reason;
use crate::status::Phase;

pub const APPLIED: Metric = Metric::counter("lokiops_project_applied_records_total", "Records that the store holds now");
pub const BATCH: Metric = Metric::histogram("lokiops_project_batch_records", "Records that were applied, or of samples read, together");
pub const APPLY: Metric = Metric::histogram("lokiops_project_apply_seconds", "How long the store took to apply one batch");
pub const LAG: Metric = Metric::gauge("lokiops_project_lag_records", "Offsets between the store's position and the end of the log");
pub const LAG_SECONDS: Metric = Metric::gauge(
    "lokiops_project_lag_seconds",
    "Age of the newest record that was read, of samples of the oldest that is not done with; 0 at the end of the log",
);
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
/// Label `what`: `store` or `log`.
pub const AWAY: Metric =
    Metric::gauge("lokiops_project_away", "1 while nothing is applied because the store, or the log, does not do what it should");
pub const REBUILDING: Metric =
    Metric::gauge("lokiops_project_rebuilding", "1 while the store is filled anew or catches up before it may be read");
pub const PARTITIONS: Metric = Metric::gauge("lokiops_project_partitions", "Partitions of samples that this process holds");
pub const AILING: Metric =
    Metric::gauge("lokiops_project_ailing_partitions", "Partitions of samples that do not get on; `/readyz` says why");
/// Label `state`: `Phase::as_str`; 1 for the present one.
pub const STATE: Metric = Metric::gauge("lokiops_project_state", "1 for the state that the projection is in");

pub const WHAT_STORE: &str = "store";
pub const WHAT_LOG: &str = "log";

pub const CAUSE_AWAY: &str = "store_away";
pub const CAUSE_TIMEOUT: &str = "store_timeout";
pub const CAUSE_UNUSABLE: &str = "store_unusable";
pub const CAUSE_LOG: &str = "log_away";
pub const CAUSE_COMMIT: &str = "commit";

pub const ALL: [Metric; 16] = [
    APPLIED,
    BATCH,
    APPLY,
    LAG,
    LAG_SECONDS,
    POSITION,
    RETRIES,
    REFUSED,
    REBUILDS,
    PAUSED,
    UNREADABLE,
    AWAY,
    REBUILDING,
    PARTITIONS,
    AILING,
    STATE,
];

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

/// Of samples, which are not applied here.
pub(crate) fn read(projection: &'static str, records: usize) {
    histogram!(BATCH.name, "projection" => projection).record(records as f64);
}

pub(crate) fn lag(projection: &'static str, records: u64) {
    gauge!(LAG.name, "projection" => projection).set(records as f64);
}

pub(crate) fn lag_ms(projection: &'static str, age_ms: i64) {
    gauge!(LAG_SECONDS.name, "projection" => projection).set(age_ms as f64 / 1_000.0);
}

pub(crate) fn away(projection: &'static str, what: &'static str, is: bool) {
    gauge!(AWAY.name, "projection" => projection, "what" => what).set(if is { 1.0 } else { 0.0 });
}

pub(crate) fn rebuilding(projection: &'static str, is: bool) {
    gauge!(REBUILDING.name, "projection" => projection).set(if is { 1.0 } else { 0.0 });
}

pub(crate) fn partitions(projection: &'static str, held: usize, ailing: usize) {
    gauge!(PARTITIONS.name, "projection" => projection).set(held as f64);
    gauge!(AILING.name, "projection" => projection).set(ailing as f64);
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
