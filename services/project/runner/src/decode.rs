//! Records become items, away from the task that waits for the store.

use loki_log::Batch;
use loki_runtime::task;
use tokio::task::JoinHandle;

use crate::error::{Error, Unreadable};
use crate::projection::Item;

/// Fewer records than this are decoded where they are: handing them over costs more.
const INLINE_MAX: usize = 32;

/// What one read gave.
#[derive(Debug)]
pub(crate) struct Decoded<I> {
    pub items: Vec<I>,
    /// Bytes of each item's record.
    pub sizes: Vec<usize>,
    /// The next offset to be read; that of the record that cannot be read, when there is one.
    pub position: u64,
    /// The end of the log was reached, at this time.
    pub ended_ms: Option<i64>,
    /// The newest record's timestamp.
    pub newest_ms: Option<i64>,
    /// What comes next and cannot be read.
    pub unreadable: Option<Unreadable>,
}

/// One read ahead of the store.
#[derive(Debug)]
pub(crate) enum Ahead<I> {
    Done(Decoded<I>),
    Decoding(JoinHandle<Decoded<I>>),
}

impl<I: Item> Ahead<I> {
    pub(crate) fn begin(batch: Batch, now_ms: i64) -> Self {
        if batch.records.len() <= INLINE_MAX {
            return Self::Done(decode(batch, now_ms));
        }
        Self::Decoding(task::spawn_blocking("decode", move || decode(batch, now_ms)))
    }

    pub(crate) async fn decoded(self) -> Result<Decoded<I>, Error> {
        match self {
            Self::Done(decoded) => Ok(decoded),
            Self::Decoding(task) => task.await.map_err(|error| Error::Decode(error.to_string())),
        }
    }
}

fn decode<I: Item>(batch: Batch, now_ms: i64) -> Decoded<I> {
    let mut decoded = Decoded {
        items: Vec::with_capacity(batch.records.len()),
        sizes: Vec::with_capacity(batch.records.len()),
        position: batch.position,
        ended_ms: batch.at_end.then_some(now_ms),
        newest_ms: None,
        unreadable: None,
    };
    for record in &batch.records {
        match I::read(record) {
            Ok(item) => decoded.items.push(item),
            Err(error) => {
                decoded.position = record.offset;
                decoded.ended_ms = None;
                decoded.unreadable =
                    Some(Unreadable { partition: record.partition.clone(), offset: record.offset, reason: error.to_string() });
                return decoded;
            }
        }
        decoded.sizes.push(record.key.as_ref().map_or(0, |key| key.len()) + record.value.as_ref().map_or(0, |value| value.len()));
        decoded.newest_ms = Some(record.timestamp_ms);
    }
    decoded
}
