//! Mounts by node and by server, and what the ratio rule must know of each node.

use std::collections::BTreeSet;

use loki_domain::{Mount, NodeId, Ratio, ServerId, Source};

use super::table::{Hashed, Table};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts {
    by_node: Table<(NodeId, ServerId), Mount>,
    by_server: BTreeSet<(ServerId, NodeId)>,
    /// Kept up with every mount, so that the ratio rule costs the same on a node of ten thousand servers. Nodes that have nothing are absent.
    loads: Hashed<NodeId, Load>,
}

/// The ratios at one node, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// The sum of the fixed ratios, in parts per million.
    pub fixed_ppm: u64,
    /// How many mounts made by hand have an automatic ratio. Those of a membership rule are not counted: their rule counts.
    pub automatic: u32,
}

impl Load {
    #[must_use]
    pub fn with(self, mount: &Mount) -> Self {
        let (ppm, automatic) = share(mount);
        Self { fixed_ppm: self.fixed_ppm.saturating_add(ppm), automatic: self.automatic.saturating_add(automatic) }
    }

    #[must_use]
    pub fn without(self, mount: &Mount) -> Self {
        let (ppm, automatic) = share(mount);
        Self { fixed_ppm: self.fixed_ppm.saturating_sub(ppm), automatic: self.automatic.saturating_sub(automatic) }
    }

    /// The ratio rule: the fixed ratios sum to 0, or to exactly 1, or to at most 1 where something takes the rest by itself: an automatic
    /// ratio, or a membership rule (`ruled`), which may have no server yet.
    pub fn is_allowed(self, ruled: bool) -> bool {
        let whole = u64::from(Ratio::ONE);
        self.fixed_ppm == 0 || self.fixed_ppm == whole || (self.fixed_ppm < whole && (ruled || self.automatic > 0))
    }
}

fn share(mount: &Mount) -> (u64, u32) {
    match (mount.ratio, mount.source) {
        (Some(ratio), _) => (u64::from(ratio.ppm()), 0),
        (None, Source::Manual) => (0, 1),
        (None, Source::Membership(_)) => (0, 0),
    }
}

impl Mounts {
    pub(super) fn put(&mut self, node: NodeId, server: ServerId, mount: Option<Mount>) -> Option<Mount> {
        let before = self.by_node.put((node, server), mount);
        match (&before, &mount) {
            (None, Some(_)) => drop(self.by_server.insert((server, node))),
            (Some(_), None) => drop(self.by_server.remove(&(server, node))),
            _ => {}
        }
        let old = self.load(&node);
        let less = before.as_ref().map_or(old, |mount| old.without(mount));
        let new = mount.as_ref().map_or(less, |mount| less.with(mount));
        if new == Load::default() {
            self.loads.remove(&node);
        } else if new != old {
            self.loads.insert(node, new);
        }
        before
    }

    pub fn get(&self, node: &NodeId, server: &ServerId) -> Option<&Mount> {
        self.by_node.get(&(*node, *server))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.by_node.iter()
    }

    pub fn len(&self) -> usize {
        self.by_node.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// The mounts at a node, in the order of the servers' ids.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Mount> {
        self.by_node.range((node, ServerId::MIN)..).take_while(move |((at, _), _)| *at == node).map(|(_, mount)| mount)
    }

    /// The mounts of a server, in the order of the nodes' ids.
    pub fn of_server(&self, server: ServerId) -> impl Iterator<Item = &Mount> {
        let nodes = self.by_server.range((server, NodeId::MIN)..).take_while(move |(of, _)| *of == server);
        nodes.filter_map(|(server, node)| self.get(node, server))
    }

    pub fn load(&self, node: &NodeId) -> Load {
        self.loads.get(node).copied().unwrap_or_default()
    }
}
