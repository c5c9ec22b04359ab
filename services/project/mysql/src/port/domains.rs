//! Questions about domains.

use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Domain, NodePath, NodeRef, Position};
use loki_runner::Stored;

use super::{Answer, Dump, Listed, Page, ReadError};

/// Reads domains. `at_least` is a fact's position that the store must have passed (`f42`).
#[async_trait]
pub trait DomainReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, ReadError>;

    /// Returns once the store is live and has passed `at_least`; after `limit` with the reason why not.
    /// However many wait, one task per reader asks the store, and only while someone waits.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError>;

    /// Domains by name; `None` when there is no such node.
    async fn domains(
        &self,
        filter: &DomainFilter,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<DomainView>>>, ReadError>;

    /// Everything, as `entity_line` writes it, sorted: the domains, and the nodes above them.
    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError>;
}

/// Which domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainFilter {
    /// `None`: all. `/` itself has no domains.
    pub node: Option<NodeRef>,
    /// Also those of all nodes under it.
    pub recursive: bool,
}

/// A domain with its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainView {
    pub domain: Domain,
    /// Of its node.
    pub path: NodePath,
    /// The fact that gave it its state.
    pub fact: u64,
}
