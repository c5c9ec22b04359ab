//! A reader of one partition.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryLog;
use super::part::Cursor;
use crate::error::Result;
use crate::port::Reader;
use crate::record::{Batch, Partition};

#[derive(Debug)]
pub(super) struct MemoryReader {
    pub(super) log: MemoryLog,
    pub(super) partition: Partition,
    pub(super) cursor: Cursor,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        let Self { log, partition, cursor } = self;
        let take = || {
            let state = log.up()?;
            state.part(partition)?.read(cursor, max, state.as_kafka)
        };
        let batch = log.wait_for(wait, take).await?;
        Ok(batch.unwrap_or_else(|| Batch { records: Vec::new(), position: self.cursor.position, at_end: false }))
    }

    fn position(&self) -> u64 {
        self.cursor.position
    }

    async fn seek(&mut self, offset: u64) -> Result<()> {
        self.cursor = Cursor::new(offset);
        Ok(())
    }
}
