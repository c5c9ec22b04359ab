//! Metrics of the process itself.

use crate::describe::Metric;

/// Label `component`: a part of the process by the name that it has in `/readyz`.
pub const READY: Metric = Metric::gauge("lokiops_ready", "1 while this part of the process is ready, 0 while `/readyz` says why not");

/// All of them, for the recorder.
pub const ALL: [Metric; 1] = [READY];

pub(crate) fn ready(component: &str, is: bool) {
    metrics::gauge!(READY.name, "component" => component.to_owned()).set(if is { 1.0 } else { 0.0 });
}
