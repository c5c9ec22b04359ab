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
mod packages;
mod runs;
mod servers;
mod table;
mod templates;
mod tokens;
mod tree;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{
    Batch, Domain, DomainId, Entity, Key, Membership, MembershipId, Mount, Node, NodeId, Package, PackageId, Run, RunId, Server, ServerId,
    Task, Template, TemplateId, Timer, Token, TokenId,
};

pub use domains::Domains;
pub use memberships::Memberships;
pub use mounts::{Load, Mounts};
pub use packages::Packages;
pub use runs::{Runs, Tally};
pub use servers::Servers;
pub use templates::Templates;
pub use tokens::Tokens;
pub use tree::Tree;

/// Cheap to clone as far as entities go: they are shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    tree: Tree,
    servers: Servers,
    mounts: Mounts,
    memberships: Memberships,
    domains: Domains,
    tokens: Tokens,
    packages: Packages,
    templates: Templates,
    runs: Runs,
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
    Token(TokenId, Option<Arc<Token>>),
    Package(PackageId, Option<Arc<Package>>),
    Template(TemplateId, Option<Arc<Template>>),
    Run(RunId, Option<Arc<Run>>),
    Batch(RunId, u32, Option<Arc<Batch>>),
    Task(RunId, ServerId, Option<Arc<Task>>),
    Timer(RunId, Option<Timer>),
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
            Some(Entity::Token(token)) => Before::Token(token.id, self.tokens.put(token.id, Some(Arc::new(token)))),
            Some(Entity::Package(package)) => Before::Package(package.id, self.packages.put(package.id, Some(Arc::from(package)))),
            Some(Entity::Template(template)) => Before::Template(template.id, self.templates.put(template.id, Some(Arc::from(template)))),
            Some(Entity::Run(run)) => Before::Run(run.id, self.runs.put(run.id, Some(Arc::from(run)))),
            Some(Entity::Batch(batch)) => {
                let (run, number) = (batch.run, batch.number);
                Before::Batch(run, number, self.runs.put_batch(run, number, Some(Arc::new(batch))))
            }
            Some(Entity::Task(host)) => {
                let (run, server) = (host.run, host.server);
                Before::Task(run, server, self.runs.put_task(run, server, Some(Arc::new(host))))
            }
            Some(Entity::Timer(timer)) => Before::Timer(timer.run, self.runs.put_timer(timer.run, Some(timer))),
            None => match key {
                Key::Node(id) => Before::Node(id, self.tree.put(id, None)),
                Key::Server(id) => Before::Server(id, self.servers.put(id, None)),
                Key::Mount(node, server) => Before::Mount(node, server, self.mounts.put(node, server, None)),
                Key::Membership(id) => Before::Membership(id, self.memberships.put(id, None)),
                Key::Domain(id) => Before::Domain(id, self.domains.put(id, None)),
                Key::Token(id) => Before::Token(id, self.tokens.put(id, None)),
                Key::Package(id) => Before::Package(id, self.packages.put(id, None)),
                Key::Template(id) => Before::Template(id, self.templates.put(id, None)),
                Key::Run(id) => Before::Run(id, self.runs.put(id, None)),
                Key::Batch(run, number) => Before::Batch(run, number, self.runs.put_batch(run, number, None)),
                Key::Task(run, server) => Before::Task(run, server, self.runs.put_task(run, server, None)),
                Key::Timer(run) => Before::Timer(run, self.runs.put_timer(run, None)),
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
            Before::Token(id, before) => drop(self.tokens.put(id, before)),
            Before::Package(id, before) => drop(self.packages.put(id, before)),
            Before::Template(id, before) => drop(self.templates.put(id, before)),
            Before::Run(id, before) => drop(self.runs.put(id, before)),
            Before::Batch(run, number, before) => drop(self.runs.put_batch(run, number, before)),
            Before::Task(run, server, before) => drop(self.runs.put_task(run, server, before)),
            Before::Timer(run, before) => drop(self.runs.put_timer(run, before)),
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

    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The living entity under a key.
    pub fn get(&self, key: &Key) -> Option<Entity> {
        match key {
            Key::Node(id) => self.tree.get(id).map(|node| Entity::Node(node.clone())),
            Key::Server(id) => self.servers.get(id).map(|server| Entity::Server(server.clone())),
            Key::Mount(node, server) => self.mounts.get(node, server).map(|mount| Entity::Mount(*mount)),
            Key::Membership(id) => self.memberships.get(id).map(|rule| Entity::Membership(rule.clone())),
            Key::Domain(id) => self.domains.get(id).map(|domain| Entity::Domain(domain.clone())),
            Key::Token(id) => self.tokens.get(id).map(|token| Entity::Token(token.clone())),
            Key::Package(id) => self.packages.get(id).map(|package| Entity::Package(Box::new(package.clone()))),
            Key::Template(id) => self.templates.get(id).map(|template| Entity::Template(Box::new(template.clone()))),
            Key::Run(id) => self.runs.get(id).map(|run| Entity::Run(Box::new(run.clone()))),
            Key::Batch(run, number) => self.runs.batch(*run, *number).map(|batch| Entity::Batch(batch.clone())),
            Key::Task(run, server) => self.runs.host(*run, *server).map(|host| Entity::Task(host.clone())),
            Key::Timer(run) => self.runs.timer(*run).map(Entity::Timer),
        }
    }

    /// Every living entity, in key order: what a compacted log would say.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        let nodes = self.tree.iter().map(|node| Entity::Node(node.clone()));
        let servers = self.servers.iter().map(|server| Entity::Server(server.clone()));
        let mounts = self.mounts.iter().map(|mount| Entity::Mount(*mount));
        let memberships = self.memberships.iter().map(|rule| Entity::Membership(rule.clone()));
        let domains = self.domains.iter().map(|domain| Entity::Domain(domain.clone()));
        let tokens = self.tokens.iter().map(|token| Entity::Token(token.clone()));
        let packages = self.packages.iter().map(|package| Entity::Package(Box::new(package.clone())));
        let templates = self.templates.iter().map(|template| Entity::Template(Box::new(template.clone())));
        let runs = self.runs.iter().map(|run| Entity::Run(Box::new(run.clone())));
        let batches = self.runs.batches().map(|batch| Entity::Batch(batch.clone()));
        let hosts = self.runs.hosts().map(|host| Entity::Task(host.clone()));
        let timers = self.runs.timers().map(|timer| Entity::Timer(*timer));
        let tree = nodes.chain(servers).chain(mounts).chain(memberships).chain(domains);
        tree.chain(tokens).chain(packages).chain(templates).chain(runs).chain(batches).chain(hosts).chain(timers)
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
