//! The tree in memory, indexed for the hot questions. Facts are applied in place, in any order between entities.
//!
//! Each node has a version that moves when anything at or under it changes: its mounts, their servers, names, places. Whoever keeps an encoded
//! answer compares one number.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use loki_domain::{Entity, Key, Membership, MembershipId, Mount, Node, NodeId, NodeName, NodePath, NodeRef, Server, ServerId};
use loki_wire::Change;

/// No path is longer; a walk up that goes on is a circle, which compacted facts may pass through.
const STEPS_MAX: usize = 64;

#[derive(Debug, Clone, Default)]
pub struct View {
    nodes: HashMap<NodeId, Node>,
    children: HashMap<Option<NodeId>, BTreeSet<(NodeName, NodeId)>>,
    servers: HashMap<ServerId, Arc<Server>>,
    mounts: BTreeMap<(NodeId, ServerId), Mount>,
    places: BTreeSet<(ServerId, NodeId)>,
    memberships: BTreeMap<MembershipId, Membership>,
    versions: HashMap<Option<NodeId>, u64>,
    /// Moves with every change; the source of versions.
    clock: u64,
    /// Moves when a path may mean another node.
    shape: u64,
}

impl View {
    /// Applies one fact.
    pub fn apply(&mut self, change: &Change) {
        self.clock += 1;
        match change {
            Change::Set(Entity::Node(node)) => self.set_node(node.clone()),
            Change::Set(Entity::Server(server)) => {
                self.servers.insert(server.id, Arc::new(server.clone()));
                self.touch_server(server.id);
            }
            Change::Set(Entity::Mount(mount)) => {
                self.mounts.insert((mount.node, mount.server), *mount);
                self.places.insert((mount.server, mount.node));
                self.touch(Some(mount.node));
            }
            Change::Set(Entity::Membership(membership)) => {
                self.memberships.insert(membership.id, membership.clone());
            }
            Change::Removed(Key::Node(id)) => self.remove_node(*id),
            Change::Removed(Key::Server(id)) => {
                self.servers.remove(id);
                self.touch_server(*id);
            }
            Change::Removed(Key::Mount(node, server)) => {
                self.mounts.remove(&(*node, *server));
                self.places.remove(&(*server, *node));
                self.touch(Some(*node));
            }
            Change::Removed(Key::Membership(id)) => {
                self.memberships.remove(id);
            }
            // whatever else there is is no part of the tree
            Change::Log(_) | Change::Set(_) | Change::Removed(_) => {}
        }
    }

    fn set_node(&mut self, node: Node) {
        let id = node.id;
        let moved = self.nodes.get(&id).is_none_or(|before| before.parent != node.parent || before.name != node.name);
        if moved {
            self.shape += 1;
            // the old place changes as well as the new one
            self.touch(Some(id));
            self.leave_parent(id);
            self.children.entry(node.parent).or_default().insert((node.name.clone(), id));
        }
        self.nodes.insert(id, node);
        self.touch(Some(id));
    }

    fn remove_node(&mut self, id: NodeId) {
        self.shape += 1;
        self.touch(Some(id));
        self.leave_parent(id);
        self.nodes.remove(&id);
        // made again it gets one that is newer than all before
        self.versions.remove(&Some(id));
    }

    fn leave_parent(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        if let Some(siblings) = self.children.get_mut(&node.parent) {
            siblings.remove(&(node.name.clone(), id));
            if siblings.is_empty() {
                self.children.remove(&node.parent);
            }
        }
    }

    fn touch_server(&mut self, server: ServerId) {
        let nodes: Vec<NodeId> =
            self.places.range((server, NodeId::MIN)..).take_while(|(id, _)| *id == server).map(|(_, node)| *node).collect();
        nodes.into_iter().for_each(|node| self.touch(Some(node)));
    }

    /// A new version for a node and everything above it. What does not exist (yet) needs none: nobody keeps an answer about it.
    fn touch(&mut self, node: Option<NodeId>) {
        let mut at = node;
        for _ in 0..STEPS_MAX {
            let Some(node) = at.and_then(|id| self.nodes.get(&id)) else { break };
            self.versions.insert(at, self.clock);
            at = node.parent;
        }
        self.versions.insert(None, self.clock);
    }

    /// The version of a node and all that is under it; `None` for the whole tree.
    pub fn version(&self, node: Option<NodeId>) -> u64 {
        self.versions.get(&node).copied().unwrap_or_default()
    }

    /// Moves when a path may mean another node.
    pub fn shape(&self) -> u64 {
        self.shape
    }

    /// The node that is meant; `Some(None)` is `/`.
    pub fn resolve(&self, reference: &NodeRef) -> Option<Option<NodeId>> {
        match reference {
            NodeRef::Id(id) => self.nodes.contains_key(id).then_some(Some(*id)),
            NodeRef::Path(path) => {
                let mut at = None;
                for name in path.names() {
                    at = Some(self.child(at, name)?);
                }
                Some(at)
            }
        }
    }

    fn child(&self, parent: Option<NodeId>, name: &NodeName) -> Option<NodeId> {
        let first = self.children.get(&parent)?.range((name.clone(), NodeId::MIN)..).next()?;
        (first.0 == *name).then_some(first.1)
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    pub fn server(&self, id: ServerId) -> Option<&Arc<Server>> {
        self.servers.get(&id)
    }

    /// The children of a node by name; of `/` for `None`.
    pub fn children(&self, parent: Option<NodeId>) -> impl Iterator<Item = NodeId> {
        self.children.get(&parent).into_iter().flatten().map(|(_, id)| *id)
    }

    /// The mounts of one node by server id.
    pub fn mounts(&self, node: NodeId) -> impl Iterator<Item = &Mount> {
        self.mounts.range((node, ServerId::MIN)..).take_while(move |((of, _), _)| *of == node).map(|(_, mount)| mount)
    }

    /// The path of a node; `None` while an ancestor is missing or the ancestors go in a circle.
    pub fn path(&self, id: NodeId) -> Option<NodePath> {
        let mut names = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at {
            let node = self.nodes.get(&id)?;
            names.push(node.name.clone());
            if names.len() > STEPS_MAX {
                return None;
            }
            at = node.parent;
        }
        names.reverse();
        Some(NodePath::new(names))
    }

    /// The node and everything under it, parents first.
    pub fn under(&self, node: Option<NodeId>) -> Vec<NodeId> {
        let mut found: Vec<NodeId> = node.into_iter().collect();
        let mut open: Vec<(Option<NodeId>, usize)> = vec![(node, 0)];
        while let Some((parent, depth)) = open.pop() {
            if depth > STEPS_MAX {
                continue;
            }
            for child in self.children(parent) {
                found.push(child);
                open.push((Some(child), depth + 1));
            }
        }
        found
    }

    /// Whether there are more than `limit` nodes when `depth` levels under a node are counted as well; `/` counts as a node.
    pub fn exceeds(&self, node: Option<NodeId>, depth: usize, limit: usize) -> bool {
        let mut count = 1;
        let mut open = vec![(node, depth)];
        while let Some((parent, depth)) = open.pop() {
            if count > limit {
                return true;
            }
            if depth > 0 {
                let before = open.len();
                open.extend(self.children(parent).take(limit + 1).map(|child| (Some(child), depth - 1)));
                count += open.len() - before;
            }
        }
        count > limit
    }

    /// The nodes under `top`, at most `depth` levels below it, parents first and siblings by name: at most `limit` of those behind the one at the
    /// path `after` (names from `top` on), whether that is still there or not.
    pub fn walk(&self, top: Option<NodeId>, depth: usize, after: &[NodeName], limit: usize) -> Vec<NodeId> {
        let depth = depth.min(STEPS_MAX);
        // one level each: what is still to be visited of it
        let mut open: Vec<Box<dyn Iterator<Item = NodeId> + '_>> = Vec::new();
        let mut at = Some(top);
        for name in after.iter().take(depth) {
            let Some(parent) = at else { break };
            open.push(Box::new(self.children_behind(parent, name)));
            at = self.child(parent, name).map(Some);
        }
        if let Some(parent) = at
            && open.len() < depth
        {
            open.push(Box::new(self.children(parent)));
        }
        let mut found = Vec::new();
        while let Some(level) = open.last_mut() {
            if found.len() >= limit {
                break;
            }
            match level.next() {
                Some(node) => {
                    found.push(node);
                    if open.len() < depth {
                        open.push(Box::new(self.children(Some(node))));
                    }
                }
                None => drop(open.pop()),
            }
        }
        found
    }

    fn children_behind<'v>(&'v self, parent: Option<NodeId>, name: &NodeName) -> impl Iterator<Item = NodeId> + use<'v> {
        let behind = (name.clone(), NodeId::MIN)..;
        let name = name.clone();
        let siblings = self.children.get(&parent).into_iter().flat_map(move |siblings| siblings.range(behind.clone()));
        siblings.skip_while(move |(other, _)| *other == name).map(|(_, id)| *id)
    }

    /// How many entities there are.
    pub fn entities(&self) -> u64 {
        (self.nodes.len() + self.servers.len() + self.mounts.len() + self.memberships.len()) as u64
    }

    /// Lines `<kind>/<id> <json>`, sorted by key.
    pub fn dump(&self) -> Vec<String> {
        let nodes = self.nodes.values().cloned().map(Entity::Node);
        let servers = self.servers.values().map(|server| Entity::Server(Server::clone(server)));
        let mounts = self.mounts.values().cloned().map(Entity::Mount);
        let memberships = self.memberships.values().cloned().map(Entity::Membership);
        let mut lines: Vec<(String, String)> = nodes
            .chain(servers)
            .chain(mounts)
            .chain(memberships)
            .map(|entity| (entity.key().to_string(), String::from_utf8(loki_wire::fact::v1::write_entity(&entity)).unwrap_or_default()))
            .collect();
        lines.sort();
        lines.into_iter().map(|(key, json)| format!("{key} {json}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, Source};

    use super::*;

    fn node_id(byte: u8) -> NodeId {
        NodeId::from_digest(&[byte; 32])
    }

    fn node(byte: u8, parent: Option<u8>, name: &str) -> Change {
        Change::Set(Entity::Node(Node {
            id: node_id(byte),
            parent: parent.map(node_id),
            name: name.parse().unwrap(),
            labels: Labels::default(),
            contacts: vec![],
            defaults: Labels::default(),
        }))
    }

    fn mount(node: u8, server: u8) -> Change {
        let server = ServerId::from_digest(&[server; 32]);
        Change::Set(Entity::Mount(Mount { node: node_id(node), server, offline: false, ratio: None, source: Source::Manual }))
    }

    #[test]
    fn a_child_may_come_before_its_parent() {
        let mut view = View::default();
        for change in [node(2, Some(1), "-b"), mount(2, 9), node(1, None, "a"), node(3, Some(1), "支付")] {
            view.apply(&change);
        }
        let path = |text: &str| view.resolve(&NodeRef::Path(text.parse().unwrap()));
        assert_eq!(path("/a/-b"), Some(Some(node_id(2))));
        assert_eq!(path("/"), Some(None));
        assert_eq!(path("/a/x"), None);
        assert_eq!(view.path(node_id(3)).unwrap().to_string(), "/a/支付");
        assert_eq!(view.children(Some(node_id(1))).collect::<Vec<_>>(), [node_id(2), node_id(3)]);
        assert_eq!(view.under(None).len(), 3);
        assert_eq!(view.dump().len(), 4);
    }

    #[test]
    fn versions_move_along_the_way_up_only() {
        let mut view = View::default();
        for change in [node(1, None, "a"), node(2, Some(1), "b"), node(3, Some(1), "c"), node(4, None, "d")] {
            view.apply(&change);
        }
        let before: Vec<u64> = (1..=4).map(|byte| view.version(Some(node_id(byte)))).collect();
        let root = view.version(None);
        view.apply(&mount(2, 9));
        let after: Vec<u64> = (1..=4).map(|byte| view.version(Some(node_id(byte)))).collect();
        assert!(after[0] > before[0] && after[1] > before[1] && view.version(None) > root);
        assert_eq!(after[2..], before[2..]);
        // a move changes both the old and the new place
        let (old, new) = (view.version(Some(node_id(1))), view.version(Some(node_id(4))));
        view.apply(&node(2, Some(4), "b"));
        assert!(view.version(Some(node_id(1))) > old && view.version(Some(node_id(4))) > new);
    }

    #[test]
    fn a_node_that_is_removed_leaves_no_version_behind() {
        let mut view = View::default();
        for round in 0..10 {
            view.apply(&node(1, None, "a"));
            let before = view.version(Some(node_id(1)));
            // also of one that was never there, and of one whose mount outlives it
            for change in [node(10 + round, Some(1), "b"), mount(10 + round, 9), mount(50 + round, 9)] {
                view.apply(&change);
            }
            view.apply(&Change::Removed(Key::Node(node_id(10 + round))));
            view.apply(&mount(10 + round, 9));
            assert_eq!(view.versions.len(), 2, "`/` and `/a`");
            // made again it has no version that it had before
            view.apply(&Change::Removed(Key::Node(node_id(1))));
            view.apply(&node(1, None, "a"));
            assert!(view.version(Some(node_id(1))) > before);
        }
    }

    #[test]
    fn what_is_too_large_is_known() {
        let mut view = View::default();
        for change in [node(1, None, "a"), node(2, Some(1), "b"), node(3, Some(1), "c"), node(4, Some(3), "d"), node(5, None, "e")] {
            view.apply(&change);
        }
        let root = |depth| (0..10).find(|limit| !view.exceeds(None, depth, *limit));
        assert_eq!([0, 1, 2, 3, 64].map(root), [Some(1), Some(3), Some(5), Some(6), Some(6)]);
        assert!(view.exceeds(Some(node_id(1)), 2, 3) && !view.exceeds(Some(node_id(1)), 2, 4));
    }

    #[test]
    fn a_walk_goes_on_behind_any_path() {
        let mut view = View::default();
        let nodes = [node(1, None, "a"), node(2, Some(1), "b"), node(3, Some(2), "c"), node(4, Some(1), "d"), node(5, None, "e")];
        for change in nodes.iter().chain(&[node(6, Some(5), "f"), node(7, None, "z")]) {
            view.apply(change);
        }
        let walk = |top: Option<u8>, depth, after: &str, limit| -> Vec<String> {
            let after: NodePath = after.parse().unwrap();
            let found = view.walk(top.map(node_id), depth, after.names(), limit);
            found.into_iter().map(|id| view.path(id).unwrap().to_string()).collect()
        };
        let all = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/z"];
        assert_eq!(walk(None, 64, "/", 100), all);
        for (at, path) in all.iter().enumerate() {
            assert_eq!(walk(None, 64, path, 100), all[at + 1..], "{path}");
            assert_eq!(walk(None, 64, path, 2), all[at + 1..].iter().copied().take(2).collect::<Vec<_>>(), "{path}");
        }
        // what was removed meanwhile is no reason to begin again, or to leave something out
        for (path, from) in [("/a/b/a", 2), ("/a/b/x/y", 3), ("/a/c", 3), ("/0", 0), ("/f/g", 6), ("/zz", 7)] {
            assert_eq!(walk(None, 64, path, 100), all[from..], "{path}");
        }
        assert_eq!(walk(None, 1, "/", 100), ["/a", "/e", "/z"]);
        assert_eq!(walk(None, 2, "/a/b", 100), ["/a/d", "/e", "/e/f", "/z"]);
        assert_eq!(walk(Some(1), 64, "/b", 100), ["/a/b/c", "/a/d"]);
        assert_eq!(walk(Some(1), 1, "/", 100), ["/a/b", "/a/d"]);
        assert!(walk(None, 0, "/", 100).is_empty() && walk(Some(7), 64, "/", 100).is_empty());
    }

    #[test]
    fn a_circle_ends() {
        let mut view = View::default();
        view.apply(&node(1, Some(2), "a"));
        view.apply(&node(2, Some(1), "b"));
        assert_eq!(view.path(node_id(1)), None);
        assert!(view.under(Some(node_id(1))).len() <= 2 * STEPS_MAX + 3);
    }
}
