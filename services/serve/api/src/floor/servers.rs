//! The reader of servers by node, of a store that is far enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_redis::facts::{Answer, NotReady, Refusal, ServersReader};
use loki_runner::Stored;
use loki_wire::mounted::Encoded;

use super::Floor;

pub(super) struct ServersAbove {
    pub(super) inner: Arc<dyn ServersReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl ServersReader for ServersAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        self.inner.wait(at_least, limit).await
    }

    async fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        let not_ready = |reason: loki_mysql::port::NotReady| NotReady(reason.to_string());
        let lowest = self.floor.now().map_err(not_ready)?;
        let answer = self.inner.servers(node, recursive).await?;
        self.floor.check(lowest, answer.position).map_err(not_ready)?;
        Ok(answer)
    }
}
