//! Metrics of the executor, counted per task.

use loki_telemetry::Metric;
use metrics::counter;

use crate::task::Outcome;

/// Labels `outcome`: `succeeded` or `failed`; `step`: the one that failed, or empty.
pub const ENDED: Metric = Metric::counter("lokiops_executor_ended_tasks_total", "Tasks that were carried out to their end, by outcome");
/// Label `serves`: whether the host is as it was, what served before started again and good.
pub const BACK: Metric = Metric::counter("lokiops_executor_ways_back_total", "Deploys that went back by themselves, by how that ended");

/// All of them, for the recorder.
pub const ALL: [Metric; 2] = [ENDED, BACK];

pub(crate) fn ended(outcome: &Outcome) {
    let (outcome, step) = match outcome {
        Outcome::Succeeded => ("succeeded", ""),
        Outcome::Failed { step, .. } => ("failed", step.as_str()),
    };
    counter!(ENDED.name, "outcome" => outcome, "step" => step).increment(1);
}

pub(crate) fn went_back(serves: bool) {
    counter!(BACK.name, "serves" => if serves { "yes" } else { "no" }).increment(1);
}
