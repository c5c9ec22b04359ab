//! The log's id, which the decider's very first transaction wrote into the facts' topic.

use std::time::Duration;

use loki_domain::LogId;
use loki_log::{Log, Partition, Topic};
use loki_wire::Change;

/// How long one read waits for the log's first records.
const WAIT: Duration = Duration::from_secs(1);
/// The log's id lies among the first records.
const AMONG: usize = 1_000;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Is(LogId),
    /// Its decider never ran.
    NotYet,
    Unreadable(String),
}

pub(super) async fn identify(log: &dyn Log, facts: &Topic) -> loki_log::Result<Identity> {
    let mut reader = log.frugal_reader(&Partition::only(facts), 0).await?;
    let mut seen = 0;
    loop {
        let batch = reader.read(AMONG - seen, WAIT).await?;
        if let Some(record) = batch.records.iter().find(|record| record.key.as_deref() == Some(loki_wire::fact::LOG_KEY.as_bytes())) {
            let fact = loki_wire::fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers);
            return Ok(match fact.map(|fact| fact.change) {
                Ok(Change::Log(id)) => Identity::Is(id),
                Ok(_) => Identity::Unreadable(format!("record {} of `{facts}` should be the log's id", record.offset)),
                Err(error) => Identity::Unreadable(format!("record {} of `{facts}` cannot be read: {error}", record.offset)),
            });
        }
        seen += batch.records.len();
        if seen >= AMONG {
            return Ok(Identity::Unreadable(format!("none of the first {AMONG} records of `{facts}` is the log's id")));
        }
        if batch.records.is_empty() {
            return Ok(Identity::NotYet);
        }
    }
}
