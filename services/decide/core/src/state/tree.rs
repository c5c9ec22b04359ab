//! Nodes, and who is whose child.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::path::DEPTH_MAX;
use loki_domain::{Node, NodeId, NodeName, NodePath};

use super::table::{Hashed, Table};
use super::{put_in, take_from};

/// No walk towards the top is longer than this. Deeper than any tree that decisions allow; it ends a walk in a state that never was.
const WALK_MAX: usize = 2 * DEPTH_MAX;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Table<NodeId, Arc<Node>>,
    children: BTreeMap<Option<NodeId>, BTreeSet<(NodeName, NodeId)>>,
    /// The first of the children of one name.
    by_place: Hashed<Place, NodeId>,
}

/// Where a node is: under which parent, by which name.
type Place = (Option<NodeId>, NodeName);

impl Tree {
    pub(super) fn put(&mut self, id: NodeId, node: Option<Arc<Node>>) -> Option<Arc<Node>> {
        let after = node.clone();
        let before = self.nodes.put(id, node);
        let place = |node: &Arc<Node>| (node.parent, node.name.clone());
        let (old, new) = (before.as_ref().map(place), after.as_ref().map(place));
        if old != new {
            if let Some((parent, name)) = &old {
                take_from(&mut self.children, parent, &(name.clone(), id));
            }
            if let Some((parent, name)) = &new {
                put_in(&mut self.children, *parent, (name.clone(), id));
            }
            old.into_iter().chain(new).for_each(|place| self.find_first(place));
        }
        before
    }

    fn find_first(&mut self, place: Place) {
        let (parent, name) = &place;
        let from = (name.clone(), NodeId::MIN);
        let children = self.children.get(parent);
        match children.and_then(|children| children.range(from..).next()).filter(|(found, _)| found == name) {
            Some((_, id)) => drop(self.by_place.insert(place, *id)),
            None => drop(self.by_place.remove(&place)),
        }
    }

    pub fn get(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id).map(|node| &**node)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|node| &**node)
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The child of this name; `parent: None` is the top.
    pub fn child(&self, parent: Option<NodeId>, name: &NodeName) -> Option<NodeId> {
        self.by_place.get(&(parent, name.clone())).copied()
    }

    /// The children in the order of their names.
    pub fn children(&self, parent: Option<NodeId>) -> impl Iterator<Item = NodeId> {
        self.children.get(&parent).into_iter().flatten().map(|(_, id)| *id)
    }

    /// The node at a path; `None` for `/`, which is no node.
    pub fn at(&self, path: &NodePath) -> Option<NodeId> {
        path.names().iter().try_fold(None, |parent, name| self.child(parent, name).map(Some)).flatten()
    }

    /// The node, its parent and so on to the top.
    pub fn upwards(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.get(&id), |node| self.get(&node.parent?)).take(WALK_MAX)
    }

    /// The path of a node; of one that is not there, `/`.
    pub fn path(&self, id: NodeId) -> NodePath {
        let mut names: Vec<_> = self.upwards(id).map(|node| node.name.clone()).collect();
        names.reverse();
        NodePath::new(names)
    }

    /// Whether the subtree of `id` has more than `levels` levels, itself being the first.
    pub fn is_higher_than(&self, id: NodeId, levels: usize) -> bool {
        let mut level = vec![id];
        for _ in 0..levels {
            level = level.into_iter().flat_map(|id| self.children(Some(id))).collect();
            if level.is_empty() {
                return false;
            }
        }
        true
    }
}
