//! What a running platform is asked: an inventory to begin with, then changes to it that can nearly all be carried out.

use std::collections::BTreeMap;

use loki_domain::{Command, Labels, NodePath, NodeRef, Pattern, Ratio, ServerRef, ServerState, Text, Weigh};

use super::{Asked, Random};

/// Nodes below this one belong to membership rules; nothing is mounted there by hand.
const RULED: &str = "auto";

/// Commands that build a tree of `nodes` nodes, `servers` servers in it, and `rules` membership rules that mount a tenth of the servers each.
pub fn inventory(nodes: usize, servers: usize, rules: usize) -> Vec<Asked> {
    let mut commands = Vec::new();
    for rule in 0..rules {
        let node = path(&format!("/acme/{RULED}/r{rule}"));
        commands.push(create(&node, true));
        commands.push(Command::MembershipSet {
            membership: None,
            node: Some(NodeRef::Path(node)),
            pattern: Some(parsed::<Pattern>(&format!("s{}*", rule % 10))),
            labels: Labels::default(),
            again: None,
        });
    }
    commands.extend((0..nodes).map(|node| create(&node_path(node), true)));
    commands.extend((0..servers).map(register));
    if nodes > 0 {
        commands.extend((0..servers).map(|server| mount(server, server % nodes)));
    }
    commands.into_iter().enumerate().map(|(number, command)| asked("inventory", number, command)).collect()
}

/// An endless stream of changes after `inventory(nodes, servers, _)`; both are at least 1.
#[derive(Debug, Clone)]
pub struct Everyday {
    random: Random,
    number: usize,
    nodes: usize,
    /// Servers that are not retired.
    servers: Vec<usize>,
    next_server: usize,
    /// Node to the servers mounted there by hand.
    mounts: BTreeMap<usize, Vec<usize>>,
    /// Leaves made by the stream, to be removed again.
    leaves: Vec<NodePath>,
}

impl Everyday {
    pub fn new(seed: u64, nodes: usize, servers: usize) -> Self {
        let mut mounts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for server in 0..servers {
            mounts.entry(server % nodes.max(1)).or_default().push(server);
        }
        let random = Random::new(seed);
        Self { random, number: 0, nodes, servers: (0..servers).collect(), next_server: servers, mounts, leaves: Vec::new() }
    }

    fn command(&mut self) -> Command {
        match self.random.below(100) {
            0..=9 => {
                let leaf = path(&format!("{}/leaf-{}", node_path(self.random.below(self.nodes)), self.number));
                self.leaves.push(leaf.clone());
                create(&leaf, false)
            }
            10..=17 if !self.leaves.is_empty() => {
                let at = self.random.below(self.leaves.len());
                Command::NodeRemove { node: NodeRef::Path(self.leaves.swap_remove(at)) }
            }
            18..=37 => {
                let labels = [("release".to_owned(), Some(parsed(&format!("r{}", self.number))))].into();
                let node = NodeRef::Path(node_path(self.random.below(self.nodes)));
                Command::NodeSet { node, labels, contacts: None, defaults: BTreeMap::new() }
            }
            38..=39 => {
                let server = self.next_server;
                self.next_server += 1;
                self.servers.push(server);
                register(server)
            }
            40..=41 if self.servers.len() > 1 => {
                let at = self.random.below(self.servers.len());
                let server = self.servers.swap_remove(at);
                self.mounts.values_mut().for_each(|mounted| mounted.retain(|other| *other != server));
                Command::ServerRetire { server: name(server) }
            }
            42..=53 => {
                let state = self.random.one(&[ServerState::Online, ServerState::Maintenance, ServerState::Offline]);
                Command::ServerState { server: name(self.server()), state }
            }
            54..=63 => {
                let labels = [("rack".to_owned(), Some(parsed(&format!("k{}", self.random.below(40)))))].into();
                Command::ServerUpdate { server: name(self.server()), name: None, serial: None, addresses: None, idc: None, labels }
            }
            64..=75 => {
                let (server, node) = (self.server(), self.random.below(self.nodes));
                let mounted = self.mounts.entry(node).or_default();
                if !mounted.contains(&server) {
                    mounted.push(server);
                }
                mount(server, node)
            }
            76..=86 => match self.mounted() {
                (node, Some(server)) => {
                    self.mounts.entry(node).or_default().retain(|other| *other != server);
                    Command::ServerUnmount { server: name(server), node: NodeRef::Path(node_path(node)) }
                }
                (node, None) => mount(self.servers[0], node),
            },
            _ => self.weigh(),
        }
    }

    /// All mounts of a node at once: automatic, or one of them with a fixed share beside automatic ones.
    fn weigh(&mut self) -> Command {
        let (node, _) = self.mounted();
        let servers = self.mounts.get(&node).cloned().unwrap_or_default();
        if servers.is_empty() {
            return mount(self.servers[0], node);
        }
        let fixed = servers.len() > 1 && self.random.chance(30);
        let drained = self.random.below(servers.len());
        let mounts = servers.into_iter().take(16).enumerate().map(|(at, server)| Weigh {
            server: name(server),
            offline: Some(at == drained),
            ratio: Some(if fixed && at == 0 { Ratio::new(0).ok() } else { None }),
            membership: None,
        });
        Command::ServerWeigh { node: NodeRef::Path(node_path(node)), mounts: mounts.collect() }
    }

    fn server(&mut self) -> usize {
        self.random.one(&self.servers)
    }

    fn mounted(&mut self) -> (usize, Option<usize>) {
        let node = self.random.below(self.nodes);
        let at = self.random.number() as usize;
        (node, self.mounts.get(&node).filter(|servers| !servers.is_empty()).map(|servers| servers[at % servers.len()]))
    }
}

impl Iterator for Everyday {
    type Item = Asked;

    fn next(&mut self) -> Option<Asked> {
        self.number += 1;
        let command = self.command();
        Some(asked("everyday", self.number, command))
    }
}

fn asked(actor: &str, number: usize, command: Command) -> Asked {
    Asked { actor: actor.to_owned(), id: format!("{actor}-{number}"), command }
}

fn node_path(node: usize) -> NodePath {
    path(&format!("/acme/g{}/n{node}", node % 14))
}

fn path(path: &str) -> NodePath {
    parsed(path)
}

fn name(server: usize) -> ServerRef {
    ServerRef::Name(parsed(&format!("s{}-{server:05}.bj.example", server % 10)))
}

fn create(path: &NodePath, parents: bool) -> Command {
    let labels = labels(&[("owner", "infra"), ("tier", "2")]);
    let contacts = vec![parsed("oncall")];
    Command::NodeCreate { path: path.clone(), parents, labels, contacts, defaults: Labels::default(), again: None }
}

fn register(server: usize) -> Command {
    let ServerRef::Name(name) = name(server) else { unreachable!("servers are named") };
    Command::ServerRegister {
        name,
        serial: Some(parsed(&format!("SN{server:08}"))),
        addresses: vec![parsed(&format!("10.{}.{}.{}", server >> 16 & 255, server >> 8 & 255, server & 255))],
        idc: Some(parsed("bj")),
        labels: labels(&[("os", "linux"), ("cpu", "32"), ("mem", "128g")]),
        state: ServerState::Online,
    }
}

fn mount(server: usize, node: usize) -> Command {
    Command::ServerMount { server: name(server), node: NodeRef::Path(node_path(node)), offline: false, ratio: None }
}

fn labels(entries: &[(&str, &str)]) -> Labels {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), parsed::<Text>(value)));
    Labels::new(entries).expect("labels")
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a valid text")
}
