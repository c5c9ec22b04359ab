//! What may be asked: the promise of a reader. `contract` tests it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runner::Stored;
use loki_wire::mounted::Encoded;

/// Reads servers by node. There is no answer while the store is empty, being filled, away, or older than what this process answered from before. A
/// store that was filled from the log again is not older, whatever its position: the log itself may have been set back.
#[async_trait]
pub trait ServersReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled, or a rebuild is asked for; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, NotReady>;

    /// Returns once the store is live and has passed the fact at `at_least`; after `limit` with the reason why not.
    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady>;

    /// The servers of a node, named by path or id, or of all nodes under it, as an encoded answer that is kept until something in it changes.
    /// `None`: no such node.
    async fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal>;
}

/// An answer, and the next offset of the facts' topic at which it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub position: u64,
}

/// Why there is no answer now: 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the servers by node are not ready: {0}")]
pub struct NotReady(pub String);

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The node's path or id cannot be one: 400.
    #[error("`node`: {0}")]
    Invalid(String),
    /// 400.
    #[error("`node` has too many nodes under it: ask for a part of them")]
    TooLarge,
}
