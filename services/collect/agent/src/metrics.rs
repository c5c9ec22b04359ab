//! Metrics of the agent itself, counted per round, request or command.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

pub const REGISTERED: Metric = Metric::gauge("lokiops_agent_registered", "1 when the API knows this machine as the server that it is");
/// Label `part`: `register`, `samples`, `tasks` or `output`.
pub const FAILED: Metric =
    Metric::counter("lokiops_agent_failed_requests_total", "Requests that the API did not answer as it should, by part");
pub const MEASURE_SECONDS: Metric = Metric::histogram("lokiops_agent_measure_seconds", "How long one reading of this host took");
pub const MISSED: Metric =
    Metric::counter("lokiops_agent_missed_rounds_total", "Rounds without a reading, because the one before was not done");
pub const SEND_SECONDS: Metric = Metric::histogram("lokiops_agent_send_seconds", "From sending samples to the API's answer");
pub const SENT: Metric = Metric::counter("lokiops_agent_sent_points_total", "Points that the API has taken");
pub const REFUSED: Metric =
    Metric::counter("lokiops_agent_refused_points_total", "Points that the API will never take, which are not sent again");
pub const SPOOLED: Metric = Metric::counter("lokiops_agent_spooled_points_total", "Points that were put into the spool");
pub const SPOOL_BYTES: Metric = Metric::gauge("lokiops_agent_spool_bytes", "Room that the spool takes");
pub const SPOOL_POINTS: Metric = Metric::gauge("lokiops_agent_spool_waiting_points", "Points that wait in the spool");
/// Label `cause`: one of the `CAUSE_…`.
pub const DROPPED: Metric = Metric::counter("lokiops_agent_dropped_points_total", "Points that were lost before they were sent, by cause");
pub const TORN: Metric =
    Metric::counter("lokiops_agent_spool_torn_bytes_total", "Bytes of the spool that could not be read and were left out");

/// Label `reason`: a code of `loki_executor::Refused`.
pub const REFUSED_TASKS: Metric = Metric::counter(
    "lokiops_agent_refused_tasks_total",
    "Tasks that were not carried out, as they are forged, not ours, late or old, by reason",
);

pub const BELL: Metric =
    Metric::gauge("lokiops_agent_bell", "1 while a bell tells when there are tasks, so that no request waits for them");
pub const SHIPPED_CHUNKS: Metric =
    Metric::counter("lokiops_agent_shipped_chunks_total", "Chunks of what hooks and scripts print that the API has taken");
pub const SHIPPED_BYTES: Metric =
    Metric::counter("lokiops_agent_shipped_bytes_total", "Bytes of what hooks and scripts print that the API has taken");
pub const GIVEN_UP: Metric = Metric::counter(
    "lokiops_agent_given_up_outputs_total",
    "Attempts whose output the API will never take, as it has no such run or was not told of this host",
);

/// The spool had no room left, and its oldest points went.
pub const CAUSE_SPOOL_FULL: &str = "spool_full";
/// The spool could not be written, or not be read again.
pub const CAUSE_SPOOL_FAILED: &str = "spool_failed";

/// All of them, for the recorder.
pub const ALL: [Metric; 17] = [
    REGISTERED,
    FAILED,
    MEASURE_SECONDS,
    MISSED,
    SEND_SECONDS,
    SENT,
    REFUSED,
    SPOOLED,
    SPOOL_BYTES,
    SPOOL_POINTS,
    DROPPED,
    TORN,
    REFUSED_TASKS,
    BELL,
    SHIPPED_CHUNKS,
    SHIPPED_BYTES,
    GIVEN_UP,
];

pub(crate) fn registered(is: bool) {
    gauge!(REGISTERED.name).set(if is { 1.0 } else { 0.0 });
}

pub(crate) fn failed(part: &'static str) {
    counter!(FAILED.name, "part" => part).increment(1);
}

pub(crate) fn measured(took: Duration) {
    histogram!(MEASURE_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn missed(rounds: u64) {
    counter!(MISSED.name).increment(rounds);
}

pub(crate) fn answered(took: Duration) {
    histogram!(SEND_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn sent(points: u64) {
    counter!(SENT.name).increment(points);
}

pub(crate) fn refused(points: u64) {
    counter!(REFUSED.name).increment(points);
}

pub(crate) fn spooled(points: u64) {
    counter!(SPOOLED.name).increment(points);
}

pub(crate) fn spool(bytes: u64, points: u64) {
    gauge!(SPOOL_BYTES.name).set(bytes as f64);
    gauge!(SPOOL_POINTS.name).set(points as f64);
}

pub(crate) fn dropped(cause: &'static str, points: u64) {
    counter!(DROPPED.name, "cause" => cause).increment(points);
}

pub(crate) fn torn(bytes: u64) {
    counter!(TORN.name).increment(bytes);
}

pub(crate) fn task_refused(reason: &'static str) {
    counter!(REFUSED_TASKS.name, "reason" => reason).increment(1);
}

pub(crate) fn bell(is_there: bool) {
    gauge!(BELL.name).set(f64::from(u8::from(is_there)));
}

/// One chunk of so many bytes.
pub(crate) fn shipped(bytes: u64) {
    counter!(SHIPPED_CHUNKS.name).increment(1);
    counter!(SHIPPED_BYTES.name).increment(bytes);
}

pub(crate) fn gave_up() {
    counter!(GIVEN_UP.name).increment(1);
}
