//! What is counted on the way into the log. Label `via`: `http` or `telnet`.

use std::time::Duration;

use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

pub const POINTS: Metric = Metric::counter("lokiops_intake_points_total", "Points that were taken into the log");
pub const REFUSED: Metric = Metric::counter("lokiops_intake_refused_points_total", "Points that were answered with an error");
pub const APPEND: Metric =
    Metric::histogram("lokiops_intake_append_seconds", "How long the log took to acknowledge the points of one request");
pub const CONNECTIONS: Metric = Metric::gauge("lokiops_intake_telnet_connections", "Open telnet connections");

pub const ALL: [Metric; 4] = [POINTS, REFUSED, APPEND, CONNECTIONS];

/// How points came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Http,
    Telnet,
}

impl Via {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Telnet => "telnet",
        }
    }
}

/// Registers the help texts.
pub fn describe() {
    loki_telemetry::describe::describe(&ALL);
}

pub(crate) fn taken(via: Via, points: usize, took: Duration) {
    counter!(POINTS.name, "via" => via.as_str()).increment(points as u64);
    histogram!(APPEND.name).record(took.as_secs_f64());
}

pub(crate) fn refused(via: Via, points: usize) {
    if points > 0 {
        counter!(REFUSED.name, "via" => via.as_str()).increment(points as u64);
    }
}

pub(crate) fn connections(open: usize) {
    gauge!(CONNECTIONS.name).set(open as f64);
}
