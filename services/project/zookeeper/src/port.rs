//! What may be asked of the tree: the promise of a reader. `contract` tests it against every adapter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodePath, NodeRef};
use loki_runner::Stored;
use loki_wire::mounted::Encoded;

/// Reads the tree from memory. There is no answer while the store is empty, being filled, unreachable, or older than what was answered before. A
/// store that was filled from the log again is not older, whatever its position: the log itself may have been set back.
#[async_trait]
pub trait TreeReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, NotReady>;

    /// Returns once the tree is live and has passed the fact at `at_least`; after `limit` with the reason why not. Woken, never polled.
    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady>;

    /// The servers of a node, or of all nodes under it, as an encoded answer that is kept until something in it changes.
    /// `None`: no such node.
    fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal>;

    /// The node and what is under it, `depth` levels deep (0: the node alone); `/` is the whole tree. `None`: no such node.
    fn tree(&self, node: &NodeRef, depth: usize) -> Result<Answer<Option<Branch>>, Refusal>;

    /// The same nodes as a list, however many they are: the node itself (unless it is `/`) and those under it, each without children, parents first
    /// and siblings by name. At most `limit` of them, those behind the path `after`, which need not be there any more. `None`: no such node.
    fn nodes(
        &self,
        under: &NodePath,
        depth: usize,
        after: Option<&NodePath>,
        limit: usize,
    ) -> Result<Answer<Option<Vec<Branch>>>, NotReady>;
}

/// An answer, and the next offset of the facts' topic at which it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub position: u64,
}

/// A node with what is under it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Branch {
    /// Null for `/`, which is no node.
    pub id: Option<String>,
    pub name: String,
    pub path: String,
    pub labels: std::collections::BTreeMap<String, String>,
    pub contacts: Vec<String>,
    pub defaults: std::collections::BTreeMap<String, String>,
    /// How many servers are mounted on the node itself.
    pub servers: usize,
    pub children: Vec<Branch>,
}

/// Why there is no answer now: 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tree is not ready: {0}")]
pub struct NotReady(pub String);

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The node's path or id cannot be one: 400.
    #[error("`node`: {0}")]
    Invalid(String),
    /// The tree has too many nodes at this depth: 400.
    #[error("`depth` gives more than {limit} nodes: ask for a smaller depth, for a subtree, or for a list in parts by `/v1/nodes`")]
    TooLarge { limit: usize },
}
