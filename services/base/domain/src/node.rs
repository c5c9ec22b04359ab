//! A node of the service tree.

use crate::labels::Labels;
use crate::{NodeId, NodeName, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// `None`: at the top of the tree.
    pub parent: Option<NodeId>,
    pub name: NodeName,
    pub labels: Labels,
    /// Names of people or teams, in the order in which they are asked. Inherited while empty. Personal.
    pub contacts: Vec<Text>,
    /// Defaults for what happens under this node, inherited key by key.
    pub defaults: Labels,
}
