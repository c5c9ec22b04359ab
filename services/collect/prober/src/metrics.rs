//! Metrics of the prober itself, counted per probe or request. What domains answer is no such metric but samples.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

pub const TARGETS: Metric = Metric::gauge("lokiops_prober_targets", "Targets that are probed");
pub const UNUSABLE: Metric = Metric::gauge(
    "lokiops_prober_unusable_targets",
    "Domains of the API's list that are not probed: they cannot be asked for, their series is another's, or there are too many",
);
/// Label `result`: one of the `RESULT_…`.
pub const PROBES: Metric = Metric::counter("lokiops_prober_probes_total", "Probes that were done, by what was found");
pub const PROBE_SECONDS: Metric = Metric::histogram("lokiops_prober_probe_seconds", "How long one probe took");
pub const LATE_SECONDS: Metric =
    Metric::histogram("lokiops_prober_late_seconds", "From when a target was due to the start of its probe: it waits for others to end");
/// Label `cause`: one of the `MISSED_…`.
pub const MISSED: Metric = Metric::counter("lokiops_prober_missed_probes_total", "Probes that were due and not done, by cause");
pub const VANTAGE_OK: Metric =
    Metric::gauge("lokiops_prober_vantage_ok", "1 while this vantage has a vote: at least half of its controls are available");
/// Label `part`: `targets` or `samples`.
pub const FAILED: Metric =
    Metric::counter("lokiops_prober_failed_requests_total", "Requests that the API did not answer as it should, by part");
pub const SENT: Metric = Metric::counter("lokiops_prober_sent_points_total", "Points that the API has taken");
pub const REFUSED: Metric =
    Metric::counter("lokiops_prober_refused_points_total", "Points that the API will never take, which are not sent again");
pub const WAITING: Metric = Metric::gauge("lokiops_prober_waiting_points", "Points that wait for the API");
/// Label `cause`: one of the `DROPPED_…`.
pub const DROPPED: Metric = Metric::counter("lokiops_prober_dropped_points_total", "Points that were lost before they were sent, by cause");

pub const RESULT_AVAILABLE: &str = "available";
pub const RESULT_UNAVAILABLE: &str = "unavailable";
/// Answered by 4xx.
pub const RESULT_NOT_COUNTED: &str = "not_counted";
/// This vantage's controls failed.
pub const RESULT_NO_VOTE: &str = "no_vote";

/// The probe before was not done.
pub const MISSED_RUNNING: &str = "running";
/// The process, or its clock, came too late for it.
pub const MISSED_LATE: &str = "late";

/// The API was away for so long that newer ones needed the room.
pub const DROPPED_FULL: &str = "queue_full";
/// They were not sent in time at shutdown.
pub const DROPPED_SHUTDOWN: &str = "shutdown";
/// They could not be written as samples.
pub const DROPPED_INVALID: &str = "invalid";

/// All of them, for the recorder.
pub const ALL: [Metric; 12] =
    [TARGETS, UNUSABLE, PROBES, PROBE_SECONDS, LATE_SECONDS, MISSED, VANTAGE_OK, FAILED, SENT, REFUSED, WAITING, DROPPED];

pub(crate) fn targets(probed: usize, unusable: usize) {
    gauge!(TARGETS.name).set(probed as f64);
    gauge!(UNUSABLE.name).set(unusable as f64);
}

pub(crate) fn started(late: Duration) {
    histogram!(LATE_SECONDS.name).record(late.as_secs_f64());
}

pub(crate) fn probed(result: &'static str, took: Duration) {
    counter!(PROBES.name, "result" => result).increment(1);
    histogram!(PROBE_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn missed(cause: &'static str, probes: u64) {
    counter!(MISSED.name, "cause" => cause).increment(probes);
}

pub(crate) fn vantage_ok(is: bool) {
    gauge!(VANTAGE_OK.name).set(if is { 1.0 } else { 0.0 });
}

pub(crate) fn failed(part: &'static str) {
    counter!(FAILED.name, "part" => part).increment(1);
}

pub(crate) fn sent(points: usize, refused: usize) {
    counter!(SENT.name).increment(points.saturating_sub(refused) as u64);
    counter!(REFUSED.name).increment(refused as u64);
}

pub(crate) fn waiting(points: usize) {
    gauge!(WAITING.name).set(points as f64);
}

pub(crate) fn dropped(cause: &'static str, points: usize) {
    counter!(DROPPED.name, "cause" => cause).increment(points as u64);
}
