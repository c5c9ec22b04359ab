//! Metrics of the decider.

use std::time::Duration;

use loki_log::Class;
use loki_telemetry::Metric;
use metrics::{counter, gauge, histogram};

/// Label `outcome`: accepted, rejected, duplicate or dead.
pub const OUTCOMES: Metric = Metric::counter("lokiops_decider_outcomes_total", "Commands answered, by outcome");
/// Label `reason`: a code of `loki_wire::Error`.
pub const DEAD: Metric = Metric::counter("lokiops_decider_dead_letters_total", "Commands that could not be read, by reason");
pub const FACTS: Metric = Metric::counter("lokiops_decider_facts_total", "Facts written");
pub const BATCH_RECORDS: Metric = Metric::histogram("lokiops_decider_batch_records", "Commands of one transaction");
pub const DECIDE_SECONDS: Metric = Metric::histogram("lokiops_decider_decide_seconds", "Reading and deciding one batch");
pub const TRANSACTION_SECONDS: Metric = Metric::histogram("lokiops_decider_transaction_seconds", "Writing one batch, commit included");
pub const ANSWER_SECONDS: Metric =
    Metric::histogram("lokiops_decider_answer_seconds", "From the append of a batch's oldest command to the commit of its outcome");
pub const RESTORE_SECONDS: Metric =
    Metric::histogram("lokiops_decider_restore_seconds", "Taking over: from assignment to the first command");
/// Label `cause`: retry, abort or fenced.
pub const REDONE: Metric = Metric::counter("lokiops_decider_redone_total", "Batches decided again after an error of the log, by cause");
pub const POSITION: Metric = Metric::gauge("lokiops_decider_position", "Offset of the next command to be decided");
pub const ACTIVE: Metric = Metric::gauge("lokiops_decider_active", "1 while this process decides, 0 while it stands by");
pub const RESTORING: Metric =
    Metric::gauge("lokiops_decider_restoring", "1 while this process takes over: it holds the partition and cannot decide yet");
pub const LAG: Metric = Metric::gauge("lokiops_decider_lag_records", "Offsets of commands without an outcome; 0 while it stands by");
pub const LAG_SECONDS: Metric = Metric::gauge(
    "lokiops_decider_lag_seconds",
    "Age of the oldest command without an outcome; 0 when there is none, or while it stands by",
);

pub const ALL: [Metric; 14] = [
    OUTCOMES,
    DEAD,
    FACTS,
    BATCH_RECORDS,
    DECIDE_SECONDS,
    TRANSACTION_SECONDS,
    ANSWER_SECONDS,
    RESTORE_SECONDS,
    REDONE,
    POSITION,
    ACTIVE,
    RESTORING,
    LAG,
    LAG_SECONDS,
];

/// Registers the help texts.
pub fn describe() {
    loki_telemetry::describe::describe(&ALL);
}

pub(crate) fn decided(took: Duration) {
    histogram!(DECIDE_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn committed(commands: usize, facts: usize, took: Duration, position: u64) {
    histogram!(BATCH_RECORDS.name).record(commands as f64);
    histogram!(TRANSACTION_SECONDS.name).record(took.as_secs_f64());
    counter!(FACTS.name).increment(facts as u64);
    gauge!(POSITION.name).set(position as f64);
}

pub(crate) fn answered(outcome: &'static str, count: usize) {
    counter!(OUTCOMES.name, "outcome" => outcome).increment(count as u64);
}

pub(crate) fn dead(reason: &str) {
    counter!(DEAD.name, "reason" => reason.to_owned()).increment(1);
}

pub(crate) fn redone(class: Class) {
    let cause = match class {
        Class::Retry => "retry",
        Class::Abort => "abort",
        Class::Fenced | Class::Invalid | Class::Fatal => "fenced",
    };
    counter!(REDONE.name, "cause" => cause).increment(1);
}

pub(crate) fn restored(took: Duration) {
    histogram!(RESTORE_SECONDS.name).record(took.as_secs_f64());
}

pub(crate) fn stands_by() {
    gauge!(ACTIVE.name).set(0.0);
    gauge!(RESTORING.name).set(0.0);
}

pub(crate) fn restores() {
    gauge!(RESTORING.name).set(1.0);
}

pub(crate) fn decides() {
    gauge!(RESTORING.name).set(0.0);
    gauge!(ACTIVE.name).set(1.0);
}

pub(crate) fn lag(records: u64) {
    gauge!(LAG.name).set(records as f64);
}

pub(crate) fn lag_seconds(seconds: f64) {
    gauge!(LAG_SECONDS.name).set(seconds);
}

pub(crate) fn took_to_answer(seconds: f64) {
    histogram!(ANSWER_SECONDS.name).record(seconds);
}
