//! Metrics of the sink and of its store, counted per batch, never per series.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

pub const POINTS: Metric = Metric::counter(
    "lokiops_opentsdb_points_total",
    "Points of samples that are done with, by what became of them: stored, repeat, dead, moved",
);
/// Label `reason`: a code of `loki_wire::Error`, or one of those of `sink/letter.rs`.
pub const DEAD: Metric = Metric::counter("lokiops_opentsdb_dead_points_total", "Points that became dead letters, by reason");
pub const BATCH: Metric = Metric::histogram("lokiops_opentsdb_put_points", "Points that were sent together");
pub const LATE: Metric =
    Metric::counter("lokiops_opentsdb_late_points_total", "Points that were looked up in the store before they were judged");
pub const AGAIN: Metric =
    Metric::counter("lokiops_opentsdb_points_sent_again_total", "Points that were sent again, by why: throttled, timed_out, storage, away");
pub const PUT_SECONDS: Metric = Metric::histogram("lokiops_opentsdb_put_seconds", "From sending a batch of points to its answer");
pub const FIND_SECONDS: Metric = Metric::histogram("lokiops_opentsdb_find_seconds", "From asking for a batch of late points to its answer");
pub const AWAY: Metric = Metric::gauge("lokiops_opentsdb_away", "1 while the store counts as away and nothing is read, else 0");
pub const OPEN: Metric = Metric::gauge("lokiops_opentsdb_open_points", "Points, and KiB of records, that are being worked on");
pub const LOST: Metric = Metric::counter("lokiops_opentsdb_lost_offsets_total", "Offsets that retention took away before they were read");
pub const EVICTED: Metric = Metric::counter(
    "lokiops_opentsdb_rings_evicted_total",
    "Series whose last points were forgotten for want of memory; the store is asked for them again",
);
pub const FAILOVERS: Metric =
    Metric::counter("lokiops_opentsdb_failovers_total", "Requests that went to another daemon because one did not answer");

/// All of them, for the recorder.
pub const ALL: &[Metric] = &[POINTS, DEAD, BATCH, LATE, AGAIN, PUT_SECONDS, FIND_SECONDS, AWAY, OPEN, LOST, EVICTED, FAILOVERS];

const OUTCOME: &str = "outcome";
const WHY: &str = "why";

/// What became of the points of some records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stored: u64,
    pub(crate) repeat: u64,
    pub(crate) dead: u64,
    pub(crate) moved: u64,
    pub(crate) late: u64,
}

pub(crate) fn points(counts: Counts) {
    let Counts { stored, repeat, dead, moved, late } = counts;
    for (outcome, number) in [("stored", stored), ("repeat", repeat), ("dead", dead), ("moved", moved)] {
        if number > 0 {
            counter!(POINTS.name, OUTCOME => outcome).increment(number);
        }
    }
    if late > 0 {
        counter!(LATE.name).increment(late);
    }
}

pub(crate) fn again(why: &'static str, points: u64) {
    counter!(AGAIN.name, WHY => why).increment(points);
}

pub(crate) fn dead(reason: String, number: u64) {
    counter!(DEAD.name, "reason" => reason).increment(number);
}

pub(crate) fn put(points: usize, took: Duration) {
    histogram!(BATCH.name).record(points as f64);
    histogram!(PUT_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn find(took: Duration) {
    histogram!(FIND_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn away(is: bool) {
    gauge!(AWAY.name).set(f64::from(u8::from(is)));
}

pub(crate) fn open(number: usize) {
    gauge!(OPEN.name).set(number as f64);
}

pub(crate) fn lost(offsets: u64) {
    counter!(LOST.name).increment(offsets);
}

pub(crate) fn evicted(series: u64) {
    counter!(EVICTED.name).increment(series);
}

pub(crate) fn failover() {
    counter!(FAILOVERS.name).increment(1);
}
