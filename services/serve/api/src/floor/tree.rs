//! The reader of the tree, of a store that is far enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodePath, NodeRef};
use loki_runner::Stored;
use loki_wire::mounted::Encoded;
use loki_zookeeper::{Answer, Branch, NotReady, Refusal, TreeReader};

use super::Floor;

pub(super) struct TreeAbove {
    pub(super) inner: Arc<dyn TreeReader>,
    pub(super) floor: Floor,
}

impl TreeAbove {
    fn above<T, E: From<NotReady>>(&self, asked: impl FnOnce() -> Result<Answer<T>, E>) -> Result<Answer<T>, E> {
        let not_ready = |reason: loki_mysql::port::NotReady| NotReady(reason.to_string());
        let lowest = self.floor.now().map_err(not_ready)?;
        let answer = asked()?;
        self.floor.check(lowest, answer.position).map_err(not_ready)?;
        Ok(answer)
    }
}

#[async_trait]
impl TreeReader for TreeAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        self.inner.wait(at_least, limit).await
    }

    fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        self.above(|| self.inner.servers(node, recursive))
    }

    fn tree(&self, node: &NodeRef, depth: usize) -> Result<Answer<Option<Branch>>, Refusal> {
        self.above(|| self.inner.tree(node, depth))
    }

    fn nodes(
        &self,
        under: &NodePath,
        depth: usize,
        after: Option<&NodePath>,
        limit: usize,
    ) -> Result<Answer<Option<Vec<Branch>>>, NotReady> {
        self.above(|| self.inner.nodes(under, depth, after, limit))
    }
}
