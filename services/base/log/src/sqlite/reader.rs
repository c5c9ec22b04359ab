//! Reads one partition outside of any group.

use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::cursor::Cursor;
use crate::error::Result;
use crate::port::Reader;
use crate::record::Batch;

#[derive(Debug)]
pub(super) struct SqliteReader {
    cursor: Cursor,
}

impl SqliteReader {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self { cursor }
    }
}

#[async_trait]
impl Reader for SqliteReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        let watch = Stopwatch::start();
        loop {
            if let Some(batch) = self.cursor.take(max).await? {
                return Ok(batch);
            }
            let left = wait.saturating_sub(watch.elapsed());
            if task::timeout(left, self.cursor.wait()).await.is_none() {
                return Ok(Batch { records: Vec::new(), position: self.cursor.position(), at_end: false });
            }
        }
    }

    fn position(&self) -> u64 {
        self.cursor.position()
    }

    async fn seek(&mut self, offset: u64) -> Result<()> {
        self.cursor.seek(offset);
        Ok(())
    }
}
