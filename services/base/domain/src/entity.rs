//! Entities and their keys: a fact is the whole new state of one of these, or its removal.

use std::fmt;
use std::str::FromStr;

use crate::ids::Numbered;
use crate::name::words;
use crate::{
    Batch, Domain, DomainId, Invalid, Membership, MembershipId, Mount, Node, NodeId, Package, PackageId, Run, RunId, Server, ServerId,
    Task, Template, TemplateId, Timer, Token, TokenId,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Node,
    Server,
    Mount,
    Membership,
    Domain,
    Token,
    Package,
    Template,
    Run,
    Batch,
    Task,
    Timer,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::Node,
        Self::Server,
        Self::Mount,
        Self::Membership,
        Self::Domain,
        Self::Token,
        Self::Package,
        Self::Template,
        Self::Run,
        Self::Batch,
        Self::Task,
        Self::Timer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Server => "server",
            Self::Mount => "mount",
            Self::Membership => "membership",
            Self::Domain => "domain",
            Self::Token => "token",
            Self::Package => "package",
            Self::Template => "template",
            Self::Run => "run",
            Self::Batch => "batch",
            Self::Task => "task",
            Self::Timer => "timer",
        }
    }
}

words!(Kind, "kind of entity");

/// The key of an entity, and of its facts in the log. Written `node/<id>`, `mount/<node id>.<server id>`, `batch/<run id>.<number as an id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Node(NodeId),
    Server(ServerId),
    Mount(NodeId, ServerId),
    Membership(MembershipId),
    Domain(DomainId),
    Token(TokenId),
    Package(PackageId),
    Template(TemplateId),
    Run(RunId),
    Batch(RunId, u32),
    Task(RunId, ServerId),
    Timer(RunId),
}

impl Key {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Server(_) => Kind::Server,
            Self::Mount(..) => Kind::Mount,
            Self::Membership(_) => Kind::Membership,
            Self::Domain(_) => Kind::Domain,
            Self::Token(_) => Kind::Token,
            Self::Package(_) => Kind::Package,
            Self::Template(_) => Kind::Template,
            Self::Run(_) => Kind::Run,
            Self::Batch(..) => Kind::Batch,
            Self::Task(..) => Kind::Task,
            Self::Timer(_) => Kind::Timer,
        }
    }

    /// The run that it is, or is a part of.
    pub fn run(&self) -> Option<RunId> {
        match *self {
            Self::Run(run) | Self::Batch(run, _) | Self::Task(run, _) | Self::Timer(run) => Some(run),
            Self::Node(_)
            | Self::Server(_)
            | Self::Mount(..)
            | Self::Membership(_)
            | Self::Domain(_)
            | Self::Token(_)
            | Self::Package(_)
            | Self::Template(_) => None,
        }
    }

    /// The part after the kind.
    pub fn id(&self) -> String {
        let mut text = self.to_string();
        text.drain(..=self.kind().as_str().len());
        text
    }

    /// Reads a key from its kind and the part after it.
    pub fn from_parts(kind: Kind, id: &str) -> Result<Self, Invalid> {
        Ok(match kind {
            Kind::Node => Self::Node(id.parse()?),
            Kind::Server => Self::Server(id.parse()?),
            Kind::Mount => {
                let (node, server) = id.split_once('.').ok_or_else(|| Invalid::new("a mount's key is `<node id>.<server id>`"))?;
                Self::Mount(node.parse()?, server.parse()?)
            }
            Kind::Membership => Self::Membership(id.parse()?),
            Kind::Domain => Self::Domain(id.parse()?),
            Kind::Token => Self::Token(id.parse()?),
            Kind::Package => Self::Package(id.parse()?),
            Kind::Template => Self::Template(id.parse()?),
            Kind::Run => Self::Run(id.parse()?),
            Kind::Batch => {
                let (run, number) = id.split_once('.').ok_or_else(|| Invalid::new("a batch's key is `<run id>.<number as an id>`"))?;
                Self::Batch(run.parse()?, number.parse::<Numbered>()?.0)
            }
            Kind::Task => {
                let (run, server) = id.split_once('.').ok_or_else(|| Invalid::new("a task's key is `<run id>.<server id>`"))?;
                Self::Task(run.parse()?, server.parse()?)
            }
            Kind::Timer => Self::Timer(id.parse()?),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind())?;
        match self {
            Self::Node(id) => write!(f, "{id}"),
            Self::Server(id) => write!(f, "{id}"),
            Self::Mount(node, server) => write!(f, "{node}.{server}"),
            Self::Membership(id) => write!(f, "{id}"),
            Self::Domain(id) => write!(f, "{id}"),
            Self::Token(id) => write!(f, "{id}"),
            Self::Package(id) => write!(f, "{id}"),
            Self::Template(id) => write!(f, "{id}"),
            Self::Run(id) | Self::Timer(id) => write!(f, "{id}"),
            Self::Batch(run, number) => write!(f, "{run}.{}", Numbered(*number)),
            Self::Task(run, server) => write!(f, "{run}.{server}"),
        }
    }
}

impl FromStr for Key {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (kind, id) = text.split_once('/').ok_or_else(|| Invalid::new("a key is `<kind>/<id>`"))?;
        Self::from_parts(kind.parse()?, id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    Node(Node),
    Server(Server),
    Mount(Mount),
    Membership(Membership),
    Domain(Domain),
    Token(Token),
    /// Larger than most that there are of the others.
    Package(Box<Package>),
    Template(Box<Template>),
    Run(Box<Run>),
    Batch(Batch),
    Task(Task),
    Timer(Timer),
}

impl Entity {
    pub fn key(&self) -> Key {
        match self {
            Self::Node(node) => Key::Node(node.id),
            Self::Server(server) => Key::Server(server.id),
            Self::Mount(mount) => Key::Mount(mount.node, mount.server),
            Self::Membership(membership) => Key::Membership(membership.id),
            Self::Domain(domain) => Key::Domain(domain.id),
            Self::Token(token) => Key::Token(token.id),
            Self::Package(package) => Key::Package(package.id),
            Self::Template(template) => Key::Template(template.id),
            Self::Run(run) => Key::Run(run.id),
            Self::Batch(batch) => Key::Batch(batch.run, batch.number),
            Self::Task(host) => Key::Task(host.run, host.server),
            Self::Timer(timer) => Key::Timer(timer.run),
        }
    }
}
