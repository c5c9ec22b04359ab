//! Metrics of the API.

use loki_telemetry::Metric;

/// Labels: `route`, `status`.
pub(crate) const REQUESTS: Metric = Metric::counter("lokiops_api_requests_total", "Requests answered, by route and status");
/// Label: `route`.
pub(crate) const SECONDS: Metric = Metric::histogram("lokiops_api_request_seconds", "Time to answer a request, by route");

pub(crate) const ALL: [Metric; 2] = [REQUESTS, SECONDS];
