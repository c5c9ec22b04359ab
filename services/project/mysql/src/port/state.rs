//! Questions about the current state.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Labels, Membership, Mount, Node, NodeId, NodePath, NodeRef, Position, Server, ServerRef, ServerState, Text};
use loki_runner::Stored;

use super::{Answer, Dump, Listed, Page, ReadError};

/// Reads the current state. `at_least` is a fact's position that the store must have passed (`f42`).
#[async_trait]
pub trait StateReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, ReadError>;

    /// Returns once the store is live and has passed `at_least`; after `limit` with the reason why not.
    /// However many wait, one task per reader asks the store, and only while someone waits.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError>;

    /// A node by id or path. `/` is the tree and no node: `None`.
    async fn node(&self, node: &NodeRef, at_least: Option<Position>) -> Result<Answer<Option<NodeView>>, ReadError>;

    /// The children of a node, or of `/`, by name; `None` when there is no such node.
    async fn children(
        &self,
        node: &NodeRef,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<NodeView>>>, ReadError>;

    /// A server by id, or by name: the one that is not retired, else the one that retired last.
    async fn server(&self, server: &ServerRef, at_least: Option<Position>) -> Result<Answer<Option<ServerView>>, ReadError>;

    /// Servers by name. When labels are asked for, a part may be short, even empty, and still have a next one.
    async fn servers(&self, filter: &ServerFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Server>>, ReadError>;

    /// Everything, as `entity_line` writes it, sorted.
    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError>;
}

/// A value and the node that it comes from: the node itself or the nearest ancestor that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited<T> {
    pub value: T,
    pub from: NodeId,
    pub from_path: NodePath,
}

/// A node with what holds for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    pub node: Node,
    pub path: NodePath,
    /// `None` when neither it nor an ancestor names any.
    pub contacts: Option<Inherited<Vec<Text>>>,
    pub defaults: BTreeMap<String, Inherited<Text>>,
    /// The membership rules of the node itself, by id.
    pub memberships: Vec<Membership>,
    /// The fact that gave it its state.
    pub fact: u64,
}

/// A server with its places in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    pub server: Server,
    /// By path.
    pub mounts: Vec<MountView>,
    /// The fact that gave it its state.
    pub fact: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountView {
    pub mount: Mount,
    pub path: NodePath,
}

/// Which servers. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFilter {
    /// `None`: all that are not retired.
    pub state: Option<ServerState>,
    pub idc: Option<Text>,
    pub name_prefix: Option<String>,
    /// All of them must be on the server.
    pub labels: Labels,
}
