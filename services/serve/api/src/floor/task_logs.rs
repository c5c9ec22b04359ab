//! The reader of tasks' logs, of a store that is far enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Position, RunId, ServerId};
use loki_mysql::port::{Answer, Dump, Place, ReadError, TaskLog, TaskLogReader};
use loki_runner::Stored;

use super::Floor;

pub(super) struct TaskLogsAbove {
    pub(super) inner: Arc<dyn TaskLogReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl TaskLogReader for TaskLogsAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.inner.wait(at_least, limit).await
    }

    async fn task_log(
        &self,
        run: RunId,
        server: ServerId,
        from: Place,
        limit: usize,
        at_least: Option<Position>,
    ) -> Result<Answer<TaskLog>, ReadError> {
        self.floor.above(self.inner.task_log(run, server, from, limit, at_least)).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let lowest = self.floor.now()?;
        let dump = self.inner.dump(at_least).await?;
        self.floor.check(lowest, dump.stored().position)?;
        Ok(dump)
    }
}
