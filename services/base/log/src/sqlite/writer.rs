//! A writer's side of its transactions; the state is with the task that writes.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::group::Membership;
use super::request::{Consumed, Request, WriterId};
use super::{Shared, row};
use crate::error::{Error, Result};
use crate::port::Writer;
use crate::record::{Group, NewRecord, Partition};

pub(super) struct SqliteWriter {
    shared: Arc<Shared>,
    id: WriterId,
}

impl SqliteWriter {
    pub(super) fn new(shared: Arc<Shared>, id: WriterId) -> Self {
        Self { shared, id }
    }
}

#[async_trait]
impl Writer for SqliteWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let part = self.shared.catalog.part(partition)?;
        let (rows, bytes) = row::check(&part, records)?;
        let writer = self.id.clone();
        self.shared.ask(|reply| Request::AppendInTransaction { writer, part, rows, bytes, reply }).await
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        let consumed = match consumed {
            None => None,
            Some((group, partition, position)) => {
                let membership = Arc::downcast::<Membership>(group.metadata.clone())
                    .map_err(|_| Error::Invalid(format!("group `{}` belongs to another log", group.name)))?;
                Some(Consumed { membership, part: self.shared.catalog.part(partition)?, position, note: None })
            }
        };
        let writer = self.id.clone();
        self.shared.ask(|reply| Request::Commit { writer, consumed, reply }).await
    }

    async fn abort(&mut self) -> Result<()> {
        let writer = self.id.clone();
        self.shared.ask(|reply| Request::Abort { writer, reply }).await
    }
}

impl Drop for SqliteWriter {
    /// Lets go of what an open transaction holds at once, instead of when it has been idle for too long.
    fn drop(&mut self) {
        let (reply, _answer) = oneshot::channel();
        // A full queue or a closed log: the idle limit, or nobody, takes care of it.
        let _unsent = self.shared.requests.try_send(Request::Abort { writer: self.id.clone(), reply });
    }
}
