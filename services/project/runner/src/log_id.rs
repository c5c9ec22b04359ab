//! The log's id, which the decider's very first transaction wrote into the facts' topic: it lies among its first records.

use loki_domain::LogId;
use loki_log::{Batch, Partition};
use loki_wire::Change;

use crate::error::Unreadable;

/// So many records are looked at, at most.
const AMONG: usize = 1_000;

/// Looks at the facts from the first on, read after read.
#[derive(Debug, Default)]
pub struct LogIdSearch {
    seen: usize,
}

impl LogIdSearch {
    /// How many records the next read may have.
    pub fn left(&self) -> usize {
        AMONG - self.seen
    }

    /// What the next records say; `None`: nothing yet. With no record at all, the log's decider has not run so far.
    ///
    /// # Errors
    /// The log is no log of Loki's.
    pub fn look(&mut self, partition: &Partition, batch: &Batch) -> Result<Option<LogId>, Unreadable> {
        let unreadable = |offset, reason: String| Unreadable { partition: partition.clone(), offset, reason };
        let key = loki_wire::fact::LOG_KEY.as_bytes();
        if let Some(record) = batch.records.iter().find(|record| record.key.as_deref() == Some(key)) {
            let fact = loki_wire::fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers);
            return match fact.map_err(|error| unreadable(record.offset, error.to_string()))?.change {
                Change::Log(id) => Ok(Some(id)),
                _ => Err(unreadable(record.offset, "it should be the log's id".to_owned())),
            };
        }
        self.seen += batch.records.len();
        if self.seen >= AMONG {
            return Err(unreadable(batch.position, format!("none of the first {AMONG} records is the log's id")));
        }
        Ok(None)
    }
}
