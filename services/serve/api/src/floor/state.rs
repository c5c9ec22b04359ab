//! The reader of the current state, of a store that is far enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodeRef, Position, Server, ServerRef};
use loki_mysql::port::{Answer, Dump, Listed, NodeView, Page, ReadError, ServerFilter, ServerView, StateReader};
use loki_runner::Stored;

use super::Floor;

pub(super) struct StateAbove {
    pub(super) inner: Arc<dyn StateReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl StateReader for StateAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.inner.wait(at_least, limit).await
    }

    async fn node(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<NodeView>>, ReadError> {
        self.floor.above(self.inner.node(node, at_least)).await
    }

    async fn children(
        &self,
        node: &NodeRef,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<NodeView>>>, ReadError> {
        self.floor.above(self.inner.children(node, page, at_least)).await
    }

    async fn server(&self, server: &ServerRef, at_least: Option<Position>) -> Result<Answer<Option<ServerView>>, ReadError> {
        self.floor.above(self.inner.server(server, at_least)).await
    }

    async fn servers(&self, filter: &ServerFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Server>>, ReadError> {
        self.floor.above(self.inner.servers(filter, page, at_least)).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let lowest = self.floor.now()?;
        let dump = self.inner.dump(at_least).await?;
        self.floor.check(lowest, dump.stored().position)?;
        Ok(dump)
    }
}
