//! Open transactions: kept in memory with their offsets reserved, written with the next group commit.

use std::collections::HashMap;
use std::sync::Arc;

use loki_runtime::clock::Stopwatch;

use super::batch::Tail;
use super::catalog::Part;
use super::row::{NewRow, Row};
use crate::error::{Error, Result};

/// Bounds the memory of one transaction.
const MAX_BYTES: usize = 256 << 20;

/// What an open transaction will append to one partition, after all that is there.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) part: Arc<Part>,
    pub(super) tail: Tail,
    pub(super) rows: Vec<Row>,
    pub(super) marks: Vec<(i64, u64)>,
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) reserved: HashMap<i64, Reserved>,
    bytes: usize,
    /// Since the last call of its writer.
    pub(super) idle: Stopwatch,
}

impl Transaction {
    pub(super) fn begin() -> Self {
        Self { reserved: HashMap::new(), bytes: 0, idle: Stopwatch::start() }
    }

    /// `tail` is the partition's; it is only looked at by the first append to this partition.
    pub(super) fn append(&mut self, part: &Arc<Part>, tail: Tail, rows: Vec<NewRow>, bytes: usize, now_ms: i64) -> Result<Vec<u64>> {
        if self.bytes + bytes > MAX_BYTES {
            return Err(Error::TooLarge { bytes: self.bytes + bytes, limit: MAX_BYTES });
        }
        self.bytes += bytes;
        let reserved =
            self.reserved.entry(part.id).or_insert_with(|| Reserved { part: part.clone(), tail, rows: Vec::new(), marks: Vec::new() });
        Ok(reserved.tail.place(part, rows, now_ms, &mut reserved.rows, &mut reserved.marks))
    }
}

/// Where a writer stands.
#[derive(Debug)]
pub(super) enum State {
    /// No transaction.
    Idle,
    Open(Transaction),
    /// Handed to the batch that is being written; it comes back as `Idle`, or as `Open` when the write failed.
    Committing,
    /// Idle for too long and undone; its writer has not yet called `abort`.
    Expired,
    /// A commit that seemed to fail had reached the file; its writer has not yet called `commit` again.
    Done,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) epoch: i64,
    pub(super) state: State,
}
