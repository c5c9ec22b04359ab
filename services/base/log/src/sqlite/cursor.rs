//! A place in one partition, and what can be read from there.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::{Row, SqlitePool};
use tokio::sync::watch;

use super::catalog::{self, Part};
use super::{fault, headers};
use crate::error::{Error, Result};
use crate::metrics;
use crate::record::{Batch, Bounds, Record};

/// A batch stops growing here, however many records were asked for.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct Cursor {
    part: Arc<Part>,
    pool: SqlitePool,
    end: watch::Receiver<u64>,
    position: u64,
    /// Asked to begin at 0: the first read may find that the oldest records are gone.
    from_beginning: bool,
    /// The end was told since the last record.
    end_told: bool,
}

impl Cursor {
    pub(super) fn new(part: Arc<Part>, pool: SqlitePool, position: u64) -> Self {
        let end = part.end.subscribe();
        Self { part, pool, end, position, from_beginning: position == 0, end_told: false }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn seek(&mut self, offset: u64) {
        self.position = offset;
        self.from_beginning = offset == 0;
        self.end_told = false;
    }

    /// What can be read now; `None` when there is nothing and the end was told before. Cancel safe: the position moves at the very end.
    pub(super) async fn take(&mut self, max: usize) -> Result<Option<Batch>> {
        loop {
            let end = *self.end.borrow_and_update();
            self.check()?;
            if self.position == end {
                if self.end_told {
                    return Ok(None);
                }
                self.end_told = true;
                return Ok(Some(Batch { records: Vec::new(), position: end, at_end: true }));
            }
            let (records, position) = self.fetch(end, max.max(1)).await?;
            // What retention removed meanwhile must not be skipped in silence.
            self.check()?;
            self.from_beginning = false;
            self.position = position;
            if !records.is_empty() {
                let at_end = position == *self.end.borrow();
                self.end_told = at_end;
                metrics::read(metrics::SQLITE, records.len());
                return Ok(Some(Batch { records, position, at_end }));
            }
        }
    }

    /// Returns when `take` may have something. Cancel safe.
    pub(super) async fn wait(&mut self) {
        let position = self.position;
        if self.end.wait_for(|end| *end > position).await.is_err() {
            // The log was closed: nothing will ever come.
            std::future::pending::<()>().await;
        }
    }

    /// `OutOfRange` unless the position lies within the log.
    pub(super) fn check(&mut self) -> Result<()> {
        let Bounds { start, end } = self.part.bounds();
        if self.from_beginning && self.position < start {
            self.position = start;
        }
        if self.position < start || self.position > end {
            let partition = self.part.partition.to_string();
            return Err(Error::OutOfRange { partition, position: self.position, start, end });
        }
        Ok(())
    }

    /// Records from the position on, and the position after them.
    async fn fetch(&self, end: u64, max: usize) -> Result<(Vec<Record>, u64)> {
        let mut rows = sqlx::query("SELECT id, timestamp_ms, key, value, headers FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?")
            .bind(self.part.record(self.position))
            .bind(self.part.record(end))
            .bind(max as i64)
            .fetch(&self.pool);
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.try_next().await.map_err(fault::classify)? {
            let key: Option<Vec<u8>> = row.get(2);
            let value: Option<Vec<u8>> = row.get(3);
            let record = Record {
                partition: self.part.partition.clone(),
                offset: catalog::offset(row.get(0)),
                timestamp_ms: row.get(1),
                key: key.map(Bytes::from),
                value: value.map(Bytes::from),
                headers: headers::decode(row.get(4))?,
            };
            bytes += record.value.as_ref().map_or(0, Bytes::len);
            records.push(record);
            if bytes >= MAX_BYTES {
                break;
            }
        }
        let full = records.len() >= max || bytes >= MAX_BYTES;
        let position = match records.last() {
            Some(last) if full => last.offset + 1,
            _ => end,
        };
        Ok((records, position))
    }
}
