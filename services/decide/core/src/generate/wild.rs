//! Commands that may ask for anything. Names come from small pools, so that they meet each other: clashes, moves into themselves, removals
//! of what is in use, ratios that do not add up, rules that overlap.

use loki_domain::{
    Command, DomainId, Expectation, Labels, MembershipId, NodeId, NodeName, NodePath, NodeRef, Patch, Pattern, Ratio, ServerId, ServerName,
    ServerRef, ServerState, Site, Statuses, Text, Weigh, Within,
};

use super::{Asked, Random};
use crate::identity::NewIds;

/// How many earlier commands may be repeated or named by id.
const MEMORY: usize = 64;

const ACTORS: [&str; 3] = ["ann", "ci", "张伟"];
const NODES: [&str; 6] = ["acme", "shop", "web", "支付", "db-1", "x_9"];
const SERVERS: [&str; 8] = ["web01", "web02", "web03", "web11", "db01", "db02", "cache01", "job.bj.example"];
const PATTERNS: [&str; 8] = ["*", "web*", "web0?", "web01", "d*", "*01", "*.example", "nothing*"];
const KEYS: [&str; 4] = ["role", "idc", "env", "owner/team"];
const VALUES: [&str; 4] = ["web", "bj", "生产", ""];
const STATES: [ServerState; 4] = [ServerState::InStock, ServerState::Online, ServerState::Offline, ServerState::Maintenance];
const RATIOS: [u32; 6] = [0, 200_000, 300_000, 500_000, 1_000_000, 1];
const HOSTS: [&str; 4] = ["shop.example", "xn--bcher-kva.example", "127.0.0.1:8470", "shop.example:443"];
const URL_PATHS: [&str; 2] = ["/", "/livez?deep=1"];
const STATUSES: [&str; 4] = ["2xx", "3xx", "204", "404"];

/// An endless stream.
#[derive(Debug, Clone)]
pub struct Wild {
    random: Random,
    seed: u64,
    number: u64,
    servers: usize,
    /// Says when something is brought back or given back: a stream of its own, so that those of the others stay what they were.
    backs: Random,
    /// Says when a domain is asked for, and which: of its own for the same reason.
    domains: Random,
    recent: Vec<Asked>,
    /// Paths that were asked for, so that later commands often name a node that is there.
    paths: Vec<NodePath>,
    /// Names of servers that were asked for.
    known: Vec<ServerName>,
    /// Mounts that were asked for.
    mounts: Vec<(ServerRef, NodeRef)>,
}

impl Wild {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            backs: Random::new(seed ^ 0xbac5),
            domains: Random::new(seed ^ 0xd0a1),
            seed,
            number: 0,
            servers: 0,
            recent: Vec::new(),
            paths: Vec::new(),
            known: Vec::new(),
            mounts: Vec::new(),
        }
    }

    /// Adds so many names of servers to those that the stream uses.
    #[must_use]
    pub fn with_servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    fn command(&mut self) -> Command {
        if let Some(command) = self.domain_command() {
            return command;
        }
        match self.random.below(100) {
            0..=17 => Command::NodeCreate {
                path: self.new_path(),
                parents: self.random.chance(60),
                labels: self.labels(),
                contacts: self.texts(),
                defaults: self.labels(),
                again: self.back(4, Self::node_id),
            },
            18..=22 => Command::NodeRename { node: self.node(), name: self.node_name() },
            23..=29 => Command::NodeMove { node: self.node(), to: self.parent() },
            30..=34 => Command::NodeRemove { node: self.node() },
            35..=40 => {
                let contacts = self.random.chance(50).then(|| self.texts());
                Command::NodeSet { node: self.node(), labels: self.patch(), contacts, defaults: self.patch() }
            }
            41..=50 => Command::ServerRegister {
                name: self.new_server_name(),
                serial: self.random.chance(40).then(|| self.serial()),
                addresses: self.texts(),
                idc: self.random.chance(50).then(|| text(VALUES[1])),
                labels: self.labels(),
                state: self.random.one(&STATES),
            },
            51..=55 => Command::ServerUpdate {
                server: self.server(),
                name: self.random.chance(40).then(|| self.server_name()),
                serial: self.random.chance(30).then(|| self.random.chance(60).then(|| self.serial())),
                addresses: self.random.chance(30).then(|| self.texts()),
                idc: self.random.chance(30).then(|| self.random.chance(50).then(|| text("sh"))),
                labels: self.patch(),
            },
            56..=59 => Command::ServerState { server: self.server(), state: self.random.one(&STATES) },
            60 => Command::ServerRetire { server: self.server() },
            61..=71 => {
                let (server, node) = (self.server(), self.node());
                self.mounts.push((server.clone(), node.clone()));
                let ratio = self.random.chance(50).then(|| self.ratio());
                Command::ServerMount { server, node, offline: self.random.chance(20), ratio }
            }
            72..=78 => {
                let (server, node) = self.mounted();
                Command::ServerUnmount { server, node }
            }
            79..=86 => self.weigh(),
            87..=93 => {
                let node = self.random.chance(90).then(|| self.node());
                // what the rule may mount is what somebody may try to unmount
                for name in self.known.iter().take(3) {
                    self.mounts.extend(node.clone().map(|node| (ServerRef::Name(name.clone()), node)));
                }
                let membership = self.random.chance(30).then(|| self.membership());
                let again = self.back(10, Self::membership).filter(|_| membership.is_none());
                let pattern = self.random.chance(70).then(|| self.pattern());
                Command::MembershipSet { membership, node, pattern, labels: self.labels(), again }
            }
            94..=97 => Command::MembershipRemove { membership: self.membership() },
            _ => Command::MembershipSweep { membership: self.membership() },
        }
    }

    /// What a node, a rule or a mount comes back to.
    fn back<T>(&mut self, percent: usize, to: impl FnOnce(&mut Self) -> T) -> Option<T> {
        std::mem::swap(&mut self.random, &mut self.backs);
        let back = self.random.chance(percent).then(|| to(self));
        std::mem::swap(&mut self.random, &mut self.backs);
        back
    }

    fn domain_command(&mut self) -> Option<Command> {
        std::mem::swap(&mut self.random, &mut self.domains);
        let command = self.random.chance(10).then(|| {
            let site = self.site();
            if self.random.chance(45) {
                return Command::DomainRemove { site };
            }
            let again = self.random.chance(10).then(|| self.domain());
            Command::DomainSet { site, node: self.node(), expect: self.expectation(), again }
        });
        std::mem::swap(&mut self.random, &mut self.domains);
        command
    }

    fn site(&mut self) -> Site {
        Site {
            name: self.random.one(&HOSTS).parse().expect("a host"),
            path: self.random.one(&URL_PATHS).parse().expect("a path"),
            scheme: self.random.one(&["https", "http"]).parse().expect("a scheme"),
            vendor: self.random.one(&["own", "own", "fastcdn"]).parse().expect("a vendor"),
        }
    }

    fn expectation(&mut self) -> Expectation {
        let statuses = (0..=self.random.below(2)).map(|_| self.random.one(&STATUSES).parse().expect("a status")).collect();
        Expectation {
            statuses: Statuses::new(statuses).expect("statuses"),
            body: self.random.chance(30).then(|| text(self.random.one(&VALUES))),
            within: Within::new(self.random.one(&[500, 10_000])).expect("a time"),
        }
    }

    fn domain(&mut self) -> DomainId {
        let sets: Vec<&Asked> = self.recent.iter().filter(|asked| matches!(asked.command, Command::DomainSet { .. })).collect();
        match sets.len() {
            0 => DomainId::MIN,
            count => NewIds::of(sets[self.random.below(count)].origin()).domain(|_| false),
        }
    }

    fn new_path(&mut self) -> NodePath {
        let path = self.path();
        self.random.put(&mut self.paths, 6, path.clone());
        path
    }

    fn path(&mut self) -> NodePath {
        let depth = if self.random.chance(3) { 20 } else { 1 + self.random.below(4) };
        NodePath::new((0..depth).map(|_| self.node_name()).collect())
    }

    fn node_name(&mut self) -> NodeName {
        self.random.one(&NODES).parse().expect("a node's name")
    }

    fn node(&mut self) -> NodeRef {
        match self.random.below(20) {
            0 => NodeRef::Path(NodePath::default()),
            1..=4 => NodeRef::Id(self.node_id()),
            5..=8 => NodeRef::Path(self.path()),
            _ => match self.paths.get(self.random.below(self.paths.len())) {
                Some(path) => NodeRef::Path(path.clone()),
                None => NodeRef::Path(self.path()),
            },
        }
    }

    fn node_id(&mut self) -> NodeId {
        self.earlier().map_or(NodeId::MIN, |asked| NewIds::of(asked.origin()).node(|_| false))
    }

    fn parent(&mut self) -> NodeRef {
        if self.random.chance(25) { NodeRef::Path(NodePath::default()) } else { self.node() }
    }

    fn server_name(&mut self) -> ServerName {
        let name = match self.random.below(SERVERS.len() + self.servers) {
            known if known < SERVERS.len() => SERVERS[known].to_owned(),
            more => format!("web{more:05}"),
        };
        name.parse().expect("a server's name")
    }

    fn new_server_name(&mut self) -> ServerName {
        let name = self.server_name();
        self.random.put(&mut self.known, 6, name.clone());
        name
    }

    fn server(&mut self) -> ServerRef {
        let known = self.known.get(self.random.below(self.known.len())).cloned();
        if let Some(name) = known.filter(|_| self.random.chance(60)) {
            return ServerRef::Name(name);
        }
        if self.random.chance(85) {
            return ServerRef::Name(self.server_name());
        }
        ServerRef::Id(self.earlier().map_or(ServerId::MIN, |asked| NewIds::of(asked.origin()).server(|_| false)))
    }

    fn membership(&mut self) -> MembershipId {
        let sets = self.recent.iter().filter(|asked| matches!(asked.command, Command::MembershipSet { .. }));
        let sets: Vec<&Asked> = sets.collect();
        match sets.len() {
            0 => MembershipId::MIN,
            count => NewIds::of(sets[self.random.below(count)].origin()).membership(|_| false),
        }
    }

    /// A mount that was asked for lately, most of the time.
    fn mounted(&mut self) -> (ServerRef, NodeRef) {
        let at = self.mounts.len().saturating_sub(1 + self.random.below(8));
        match self.mounts.get(at) {
            Some(mount) if self.random.chance(80) => mount.clone(),
            _ => (self.server(), self.node()),
        }
    }

    fn weigh(&mut self) -> Command {
        let (server, node) = self.mounted();
        let beside = self.mounts.iter().filter(|(other, at)| *at == node && *other != server).map(|(other, _)| other.clone());
        let mut servers: Vec<ServerRef> = beside.take(self.random.below(3)).collect();
        servers.push(server);
        let mounts = servers.into_iter().map(|server| {
            let offline = self.random.chance(40).then(|| self.random.chance(50));
            let ratio = self.random.chance(70).then(|| self.random.chance(60).then(|| self.ratio()));
            match self.back(8, Self::membership) {
                Some(rule) => Weigh { server, offline: None, ratio: None, membership: Some(rule) },
                None => Weigh { server, offline, ratio, membership: self.back(2, Self::membership) },
            }
        });
        Command::ServerWeigh { mounts: mounts.collect(), node }
    }

    fn ratio(&mut self) -> Ratio {
        Ratio::new(self.random.one(&RATIOS)).expect("a ratio")
    }

    fn pattern(&mut self) -> Pattern {
        self.random.one(&PATTERNS).parse().expect("a pattern")
    }

    fn serial(&mut self) -> Text {
        text(&format!("SN{}", self.random.below(6)))
    }

    fn texts(&mut self) -> Vec<Text> {
        (0..self.random.below(3)).map(|_| text(self.random.one(&ACTORS))).collect()
    }

    fn labels(&mut self) -> Labels {
        let entries: Vec<_> =
            (0..self.random.below(3)).map(|_| (self.random.one(&KEYS).to_owned(), text(self.random.one(&VALUES)))).collect();
        Labels::new(entries).expect("labels")
    }

    fn patch(&mut self) -> Patch {
        let keys = self.random.below(3);
        (0..keys).map(|_| (self.random.one(&KEYS).to_owned(), self.random.chance(70).then(|| text(self.random.one(&VALUES))))).collect()
    }

    fn earlier(&mut self) -> Option<&Asked> {
        let at = self.random.below(self.recent.len());
        self.recent.get(at)
    }
}

impl Iterator for Wild {
    type Item = Asked;

    fn next(&mut self) -> Option<Asked> {
        let earlier = if self.random.chance(8) { self.earlier().cloned() } else { None };
        if let Some(again) = earlier {
            if self.random.chance(60) {
                return Some(again);
            }
            // the id of another command, which may even be the same content
            return Some(Asked { command: self.command(), ..again });
        }
        self.number += 1;
        let surplus = self.mounts.len().saturating_sub(MEMORY);
        self.mounts.drain(..surplus);
        let actor = self.random.one(&ACTORS).to_owned();
        let asked = Asked { actor, id: format!("{:x}-{}", self.seed, self.number), command: self.command() };
        self.random.put(&mut self.recent, MEMORY, asked.clone());
        Some(asked)
    }
}

fn text(text: &str) -> Text {
    text.parse().expect("a text")
}
