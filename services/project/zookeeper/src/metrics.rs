//! Metrics of the ZooKeeper store, counted per write or read, never per entity.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, histogram};

pub const WRITES: Metric = Metric::counter("lokiops_zookeeper_writes_total", "Multis that were written");
pub const OPERATIONS: Metric = Metric::counter("lokiops_zookeeper_operations_total", "Operations in the multis that were written");
pub const WRITE_SECONDS: Metric = Metric::histogram("lokiops_zookeeper_write_seconds", "From sending multis to their acknowledgement");
pub const REFUSED: Metric = Metric::counter("lokiops_zookeeper_refused_total", "Batches refused because the store was at another position");
pub const RINGS: Metric = Metric::counter("lokiops_zookeeper_rings_total", "Bells of servers that were rung because a task has changed");
pub const PUBLISHED: Metric = Metric::counter("lokiops_zookeeper_cache_published_total", "Revisions that the readers' cache has published");
pub const READ_ANEW: Metric =
    Metric::counter("lokiops_zookeeper_cache_full_reads_total", "Times that the readers' cache was read as a whole");

/// All of them, for the recorder.
pub const ALL: &[Metric] = &[WRITES, OPERATIONS, WRITE_SECONDS, REFUSED, RINGS, PUBLISHED, READ_ANEW];

pub(crate) fn wrote(operations: usize, took: Duration) {
    counter!(WRITES.name).increment(1);
    counter!(OPERATIONS.name).increment(operations as u64);
    histogram!(WRITE_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn refused() {
    counter!(REFUSED.name).increment(1);
}

pub(crate) fn rung() {
    counter!(RINGS.name).increment(1);
}

pub(crate) fn published() {
    counter!(PUBLISHED.name).increment(1);
}

pub(crate) fn read_anew() {
    counter!(READ_ANEW.name).increment(1);
}
