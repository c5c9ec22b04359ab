//! Entities and their keys: a fact is the whole new state of one of these, or its removal.

use std::fmt;
use std::str::FromStr;

use crate::{Domain, DomainId, Invalid, Membership, MembershipId, Mount, Node, NodeId, Server, ServerId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Node,
    Server,
    Mount,
    Membership,
    Domain,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Node, Self::Server, Self::Mount, Self::Membership, Self::Domain];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Server => "server",
            Self::Mount => "mount",
            Self::Membership => "membership",
            Self::Domain => "domain",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| Invalid::new(format!("`{}` is no kind of entity", text.escape_default())))
    }
}

/// The key of an entity, and of its facts in the log. Written `node/<id>`, `mount/<node id>.<server id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Node(NodeId),
    Server(ServerId),
    Mount(NodeId, ServerId),
    Membership(MembershipId),
    Domain(DomainId),
}

impl Key {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Server(_) => Kind::Server,
            Self::Mount(..) => Kind::Mount,
            Self::Membership(_) => Kind::Membership,
            Self::Domain(_) => Kind::Domain,
        }
    }

    /// The part after the kind.
    pub fn id(&self) -> String {
        match self {
            Self::Node(id) => id.to_string(),
            Self::Server(id) => id.to_string(),
            Self::Mount(node, server) => format!("{node}.{server}"),
            Self::Membership(id) => id.to_string(),
            Self::Domain(id) => id.to_string(),
        }
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
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node/{id}"),
            Self::Server(id) => write!(f, "server/{id}"),
            Self::Mount(node, server) => write!(f, "mount/{node}.{server}"),
            Self::Membership(id) => write!(f, "membership/{id}"),
            Self::Domain(id) => write!(f, "domain/{id}"),
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
}

impl Entity {
    pub fn key(&self) -> Key {
        match self {
            Self::Node(node) => Key::Node(node.id),
            Self::Server(server) => Key::Server(server.id),
            Self::Mount(mount) => Key::Mount(mount.node, mount.server),
            Self::Membership(membership) => Key::Membership(membership.id),
            Self::Domain(domain) => Key::Domain(domain.id),
        }
    }
}
