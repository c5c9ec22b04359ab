//! Metrics of the log, counted per batch. Label `log`: `sqlite` or `kafka`.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::port::Event;

pub const APPENDS: &str = "lokiops_log_appends_total";
pub const RECORDS: &str = "lokiops_log_appended_records_total";
pub const BYTES: &str = "lokiops_log_appended_bytes_total";
pub const COMMIT_SECONDS: &str = "lokiops_log_commit_seconds";
/// Label `cause`: one of the `CAUSE_…`.
pub const RETRIES: &str = "lokiops_log_retries_total";
pub const READ_RECORDS: &str = "lokiops_log_read_records_total";
pub const SWEPT_RECORDS: &str = "lokiops_log_swept_records_total";
/// Labels: `group`, and as `change` one of the `CHANGE_…`. Without `log`: whoever is told counts.
pub const REBALANCED: &str = "lokiops_log_rebalanced_partitions_total";

pub const SQLITE: &str = "sqlite";
pub const KAFKA: &str = "kafka";

pub const CAUSE_AWAY: &str = "away";
pub const CAUSE_ABORTED: &str = "aborted";
pub const CAUSE_FENCED: &str = "fenced";

pub const CHANGE_ASSIGNED: &str = "assigned";
pub const CHANGE_REVOKED: &str = "revoked";
pub const CHANGE_LOST: &str = "lost";

/// Registers the help texts.
pub fn describe() {
    describe_counter!(APPENDS, Unit::Count, "Appends that were acknowledged, transactions included");
    describe_counter!(RECORDS, Unit::Count, "Records that were acknowledged");
    describe_counter!(BYTES, Unit::Bytes, "Bytes of keys, values and headers that were acknowledged");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "From the begin of a commit to its acknowledgement");
    describe_counter!(RETRIES, Unit::Count, "Calls that the caller has to repeat, by cause");
    describe_counter!(READ_RECORDS, Unit::Count, "Records that were read");
    describe_counter!(SWEPT_RECORDS, Unit::Count, "Records that compaction or retention removed");
    describe_counter!(REBALANCED, Unit::Count, "Partitions that a member of a group was given, or that were taken from it, by how");
}

pub(crate) fn appended(log: &'static str, appends: usize, records: usize, bytes: usize) {
    counter!(APPENDS, "log" => log).increment(appends as u64);
    counter!(RECORDS, "log" => log).increment(records as u64);
    counter!(BYTES, "log" => log).increment(bytes as u64);
}

pub(crate) fn committed(log: &'static str, took: Duration) {
    histogram!(COMMIT_SECONDS, "log" => log).record(took.as_secs_f64());
}

pub(crate) fn retry(log: &'static str, cause: &'static str) {
    counter!(RETRIES, "log" => log, "cause" => cause).increment(1);
}

pub(crate) fn read(log: &'static str, records: usize) {
    counter!(READ_RECORDS, "log" => log).increment(records as u64);
}

pub(crate) fn swept(log: &'static str, records: u64) {
    counter!(SWEPT_RECORDS, "log" => log).increment(records);
}

/// For the loops around members, at every event: what says that partitions come or go is counted.
pub fn told(group: &str, event: &Event) {
    let (change, partitions) = match event {
        Event::Assigned(partitions) => (CHANGE_ASSIGNED, partitions),
        Event::Revoked(partitions) => (CHANGE_REVOKED, partitions),
        Event::Lost(partitions) => (CHANGE_LOST, partitions),
        Event::Records { .. } | Event::Idle => return,
    };
    if !partitions.is_empty() {
        counter!(REBALANCED, "group" => group.to_owned(), "change" => change).increment(partitions.len() as u64);
    }
}
