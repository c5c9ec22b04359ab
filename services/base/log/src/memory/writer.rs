//! A transactional writer. Its transaction stays open when it is dropped, as that of a process which is gone: the next of its name ends it, or time.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryLog;
use super::member::Token;
use crate::error::{Error, Result};
use crate::port::Writer;
use crate::record::{Group, NewRecord, Partition};

#[derive(Debug)]
pub(super) struct MemoryWriter {
    pub(super) log: MemoryLog,
    pub(super) name: String,
    pub(super) epoch: u64,
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let offsets = self.log.up()?.append_in_transaction(&self.name, self.epoch, partition, records);
        self.log.tell();
        offsets
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        let consumed = match consumed {
            None => None,
            Some((group, partition, position)) => {
                let token = Arc::downcast::<Token>(group.metadata.clone());
                let token = token.map_err(|_| Error::Invalid(format!("group `{}` belongs to another log", group.name)))?;
                Some((token, partition.clone(), position))
            }
        };
        let committed = self.log.up()?.commit_transaction(&self.name, self.epoch, consumed);
        self.log.tell();
        committed
    }

    async fn abort(&mut self) -> Result<()> {
        let aborted = self.log.up()?.abort_transaction(&self.name, self.epoch);
        self.log.tell();
        aborted
    }
}
