//! What is true: every living entity, with the indexes that decisions need.
//!
//! **Undo.** A batch of commands is decided on the state itself: each fact is evolved in place and gives an `Undo`. Committed, the undos are
//! dropped; aborted, they are reverted in reverse order, and the state is exactly what it was before the batch. That is the overlay on
//! which a batch is decided, kept as a journal of what to put back: reading costs nothing extra, and a hiccup of the log is no restore.
//!
//! **Any order.** Facts of one key arrive in order, but a compacted log has lost older ones, so a fold passes through states that never were:
//! two nodes of one name, a child before its parent, a mount without its node. Hence every index holds sets, nothing refers by reference,
//! and the indexes depend only on the entities that are there now, never on the way that led to them.

mod candidates;
mod domains;
mod memberships;
mod mounts;
mod servers;
mod table;
mod tree;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Domain, DomainId, Entity, Key, Membership, MembershipId, Mount, Node, NodeId, Server, ServerId};

pub use domains::Domains;
pub use memberships::Memberships;
pub use mounts::{Load, Mounts};
pub use servers::Servers;
pub use tree::Tree;

/// Cheap to clone as far as entities go: they are shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    tree: Tree,
    servers: Servers,
    mounts: Mounts,
    memberships: Memberships,
    domains: Domains,
}

/// Puts back what one `evolve` replaced.
#[derive(Debug)]
#[must_use = "dropping it is right only once the fact is committed"]
pub struct Undo(Before);

#[derive(Debug)]
enum Before {
    Node(NodeId, Option<Arc<Node>>),
    Server(ServerId, Option<Arc<Server>>),
    Mount(NodeId, ServerId, Option<Mount>),
    Membership(MembershipId, Option<Arc<Membership>>),
    Domain(DomainId, Option<Arc<Domain>>),
}

impl State {
    /// Takes in one fact: the entity as it is now, or its removal. An entity is stored under its own key; `key` speaks for a removal.
    pub fn evolve(&mut self, key: Key, entity: Option<Entity>) -> Undo {
        Undo(match entity {
            Some(Entity::Node(node)) => Before::Node(node.id, self.tree.put(node.id, Some(Arc::new(node)))),
            Some(Entity::Server(server)) => Before::Server(server.id, self.servers.put(server.id, Some(Arc::new(server)))),
            Some(Entity::Mount(mount)) => {
                let (node, server) = (mount.node, mount.server);
                Before::Mount(node, server, self.mounts.put(node, server, Some(mount)))
            }
            Some(Entity::Membership(rule)) => Before::Membership(rule.id, self.memberships.put(rule.id, Some(Arc::new(rule)))),
            Some(Entity::Domain(domain)) => Before::Domain(domain.id, self.domains.put(domain.id, Some(Arc::new(domain)))),
            None => match key {
                Key::Node(id) => Before::Node(id, self.tree.put(id, None)),
                Key::Server(id) => Before::Server(id, self.servers.put(id, None)),
                Key::Mount(node, server) => Before::Mount(node, server, self.mounts.put(node, server, None)),
                Key::Membership(id) => Before::Membership(id, self.memberships.put(id, None)),
                Key::Domain(id) => Before::Domain(id, self.domains.put(id, None)),
            },
        })
    }

    /// Undoes one fact. The undos of several facts are reverted in reverse order.
    pub fn revert(&mut self, undo: Undo) {
        match undo.0 {
            Before::Node(id, before) => drop(self.tree.put(id, before)),
            Before::Server(id, before) => drop(self.servers.put(id, before)),
            Before::Mount(node, server, before) => drop(self.mounts.put(node, server, before)),
            Before::Membership(id, before) => drop(self.memberships.put(id, before)),
            Before::Domain(id, before) => drop(self.domains.put(id, before)),
        }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    pub fn memberships(&self) -> &Memberships {
        &self.memberships
    }

    pub fn domains(&self) -> &Domains {
        &self.domains
    }

    /// The living entity under a key.
    pub fn get(&self, key: &Key) -> Option<Entity> {
        match key {
            Key::Node(id) => self.tree.get(id).map(|node| Entity::Node(node.clone())),
            Key::Server(id) => self.servers.get(id).map(|server| Entity::Server(server.clone())),
            Key::Mount(node, server) => self.mounts.get(node, server).map(|mount| Entity::Mount(*mount)),
            Key::Membership(id) => self.memberships.get(id).map(|rule| Entity::Membership(rule.clone())),
            Key::Domain(id) => self.domains.get(id).map(|domain| Entity::Domain(domain.clone())),
        }
    }

    /// Every living entity, in key order: what a compacted log would say.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        let nodes = self.tree.iter().map(|node| Entity::Node(node.clone()));
        let servers = self.servers.iter().map(|server| Entity::Server(server.clone()));
        let mounts = self.mounts.iter().map(|mount| Entity::Mount(*mount));
        let memberships = self.memberships.iter().map(|rule| Entity::Membership(rule.clone()));
        let domains = self.domains.iter().map(|domain| Entity::Domain(domain.clone()));
        nodes.chain(servers).chain(mounts).chain(memberships).chain(domains)
    }
}

/// Puts a value into a set of an index.
fn put_in<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V) {
    index.entry(key).or_default().insert(value);
}

/// Takes a value out of a set of an index; an empty set goes, so that equal states have equal indexes.
fn take_from<K, Q, V>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &Q, value: &V)
where
    K: Ord + Borrow<Q>,
    Q: Ord + ?Sized,
    V: Ord,
{
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
