//! Version 1 of every fact. Readers ignore fields that they do not know. Stores keep the same JSON, so that a dump compares as text.

pub mod deploy;

use std::collections::BTreeMap;

use loki_domain::{Entity, Expectation, Key, Kind, Labels, Ratio, Site, Source, Statuses, Sweep, Text, Within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::error::{At, Error};
use crate::json::read_json;
use crate::shape;

/// A node of the tree.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    #[schemars(with = "shape::Id")]
    pub id: String,
    /// The parent's id; null at the top.
    #[schemars(with = "Option<shape::Id>")]
    pub parent: Option<String>,
    #[schemars(with = "shape::NodeName")]
    pub name: String,
    #[schemars(with = "shape::Labels")]
    pub labels: BTreeMap<String, String>,
    #[schemars(with = "shape::Texts", extend("x-loki-personal" = true))]
    pub contacts: Vec<String>,
    #[schemars(with = "shape::Labels")]
    pub defaults: BTreeMap<String, String>,
}

/// A server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::ServerName")]
    pub name: String,
    #[schemars(with = "Option<shape::Text>")]
    pub serial: Option<String>,
    #[schemars(with = "shape::Texts")]
    pub addresses: Vec<String>,
    #[schemars(with = "Option<shape::Text>")]
    pub idc: Option<String>,
    #[schemars(with = "shape::Labels")]
    pub labels: BTreeMap<String, String>,
    #[schemars(with = "shape::State")]
    pub state: String,
}

/// A server on a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Mount {
    #[schemars(with = "shape::Id")]
    pub node: String,
    #[schemars(with = "shape::Id")]
    pub server: String,
    pub offline: bool,
    /// Parts per million; null: automatic.
    #[schemars(with = "Option<shape::Ratio>")]
    pub ratio: Option<u32>,
    /// The membership rule that mounted it; null: by hand.
    #[schemars(with = "Option<shape::Id>")]
    pub membership: Option<String>,
}

/// A membership rule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Membership {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::Id")]
    pub node: String,
    #[schemars(with = "Option<shape::Pattern>")]
    pub pattern: Option<String>,
    #[schemars(with = "shape::Labels")]
    pub labels: BTreeMap<String, String>,
    /// Null once the mounts are as the rule says.
    pub sweep: Option<MembershipSweep>,
}

/// Where the change of a rule has got to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct MembershipSweep {
    #[schemars(with = "shape::Id")]
    pub next: String,
    pub removing: bool,
}

/// A domain.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Domain {
    #[schemars(with = "shape::Id")]
    pub id: String,
    #[schemars(with = "shape::Host")]
    pub name: String,
    #[schemars(with = "shape::UrlPath")]
    pub path: String,
    #[schemars(with = "shape::Scheme")]
    pub scheme: String,
    /// Who answers: a CDN's name, or `own`.
    #[schemars(with = "shape::SeriesName")]
    pub vendor: String,
    #[schemars(with = "shape::Id")]
    pub node: String,
    pub expect: Expect,
}

/// What a good answer of a domain is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Expect {
    /// One of these.
    #[schemars(with = "shape::Statuses")]
    pub status: Vec<String>,
    /// A text that the body holds; null: any body.
    #[schemars(with = "Option<shape::Text>")]
    pub body: Option<String>,
    #[schemars(with = "shape::Within")]
    pub within_ms: u32,
}

/// The log's id.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    #[schemars(with = "shape::Id")]
    pub id: String,
}

/// The JSON of a change; `None` for a removal.
pub(super) fn write(change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Log(id) => serde_json::to_vec(&Log { id: id.to_string() }).ok(),
        Change::Set(entity) => Some(write_entity(entity)),
        Change::Removed(_) => None,
    }
}

/// The JSON of an entity, as facts carry it and stores keep it.
pub fn write_entity(entity: &Entity) -> Vec<u8> {
    let json = match entity {
        Entity::Node(node) => serde_json::to_vec(&Node {
            id: node.id.to_string(),
            parent: node.parent.map(|id| id.to_string()),
            name: node.name.to_string(),
            labels: texts(&node.labels),
            contacts: node.contacts.iter().map(Text::to_string).collect(),
            defaults: texts(&node.defaults),
        }),
        Entity::Server(server) => serde_json::to_vec(&Server {
            id: server.id.to_string(),
            name: server.name.to_string(),
            serial: server.serial.as_ref().map(Text::to_string),
            addresses: server.addresses.iter().map(Text::to_string).collect(),
            idc: server.idc.as_ref().map(Text::to_string),
            labels: texts(&server.labels),
            state: server.state.to_string(),
        }),
        Entity::Mount(mount) => serde_json::to_vec(&Mount {
            node: mount.node.to_string(),
            server: mount.server.to_string(),
            offline: mount.offline,
            ratio: mount.ratio.map(Ratio::ppm),
            membership: match mount.source {
                Source::Manual => None,
                Source::Membership(id) => Some(id.to_string()),
            },
        }),
        Entity::Membership(membership) => serde_json::to_vec(&Membership {
            id: membership.id.to_string(),
            node: membership.node.to_string(),
            pattern: membership.pattern.as_ref().map(ToString::to_string),
            labels: texts(&membership.labels),
            sweep: membership.sweep.map(|sweep| MembershipSweep { next: sweep.next.to_string(), removing: sweep.removing }),
        }),
        Entity::Domain(domain) => serde_json::to_vec(&Domain {
            id: domain.id.to_string(),
            name: domain.site.name.to_string(),
            path: domain.site.path.to_string(),
            scheme: domain.site.scheme.to_string(),
            vendor: domain.site.vendor.to_string(),
            node: domain.node.to_string(),
            expect: Expect {
                status: domain.expect.statuses.iter().map(|status| status.to_string()).collect(),
                body: domain.expect.body.as_ref().map(Text::to_string),
                within_ms: domain.expect.within.ms(),
            },
        }),
        other => deploy::write(other).unwrap_or_else(|| Ok(Vec::new())),
    };
    // strings, numbers and maps with string keys always serialise
    json.unwrap_or_default()
}

pub(super) fn read(kind: &str, json: &[u8]) -> Result<Change, Error> {
    if kind == "log" {
        let log: Log = read_json(json)?;
        return Ok(Change::Log(log.id.parse().at("id")?));
    }
    let kind = kind.parse().map_err(|_| Error::UnknownType(kind.chars().take(64).collect()))?;
    read_entity(kind, json).map(Change::Set)
}

/// Reads what `write_entity` wrote.
pub fn read_entity(kind: Kind, json: &[u8]) -> Result<Entity, Error> {
    Ok(match kind {
        Kind::Node => {
            let v: Node = read_json(json)?;
            Entity::Node(loki_domain::Node {
                id: v.id.parse().at("id")?,
                parent: v.parent.map(|id| id.parse().at("parent")).transpose()?,
                name: v.name.parse().at("name")?,
                labels: labels("labels", v.labels)?,
                contacts: v.contacts.iter().map(|text| text.parse().at("contacts")).collect::<Result<_, _>>()?,
                defaults: labels("defaults", v.defaults)?,
            })
        }
        Kind::Server => {
            let v: Server = read_json(json)?;
            Entity::Server(loki_domain::Server {
                id: v.id.parse().at("id")?,
                name: v.name.parse().at("name")?,
                serial: v.serial.map(|text| text.parse().at("serial")).transpose()?,
                addresses: v.addresses.iter().map(|text| text.parse().at("addresses")).collect::<Result<_, _>>()?,
                idc: v.idc.map(|text| text.parse().at("idc")).transpose()?,
                labels: labels("labels", v.labels)?,
                state: v.state.parse().at("state")?,
            })
        }
        Kind::Mount => {
            let v: Mount = read_json(json)?;
            Entity::Mount(loki_domain::Mount {
                node: v.node.parse().at("node")?,
                server: v.server.parse().at("server")?,
                offline: v.offline,
                ratio: v.ratio.map(|ppm| Ratio::new(ppm).at("ratio")).transpose()?,
                source: v.membership.map_or(Ok(Source::Manual), |id| id.parse().map(Source::Membership).at("membership"))?,
            })
        }
        Kind::Membership => {
            let v: Membership = read_json(json)?;
            Entity::Membership(loki_domain::Membership {
                id: v.id.parse().at("id")?,
                node: v.node.parse().at("node")?,
                pattern: v.pattern.map(|text| text.parse().at("pattern")).transpose()?,
                labels: labels("labels", v.labels)?,
                sweep: v
                    .sweep
                    .map(|sweep| Ok::<_, Error>(Sweep { next: sweep.next.parse().at("sweep.next")?, removing: sweep.removing }))
                    .transpose()?,
            })
        }
        Kind::Domain => {
            let v: Domain = read_json(json)?;
            let statuses = v.expect.status.iter().map(|text| text.parse().at("expect.status"));
            Entity::Domain(loki_domain::Domain {
                id: v.id.parse().at("id")?,
                site: Site {
                    name: v.name.parse().at("name")?,
                    path: v.path.parse().at("path")?,
                    scheme: v.scheme.parse().at("scheme")?,
                    vendor: v.vendor.parse().at("vendor")?,
                },
                node: v.node.parse().at("node")?,
                expect: Expectation {
                    statuses: Statuses::new(statuses.collect::<Result<_, _>>()?).at("expect.status")?,
                    body: v.expect.body.map(|text| text.parse().at("expect.body")).transpose()?,
                    within: Within::new(v.expect.within_ms).at("expect.within_ms")?,
                },
            })
        }
        Kind::Token | Kind::Package | Kind::Template | Kind::Run | Kind::Batch | Kind::Task | Kind::Timer => {
            deploy::read(kind, json)?.ok_or_else(|| Error::UnknownType(kind.to_string()))?
        }
    })
}

/// The key of an entity of this kind from its stored JSON's key text.
pub fn read_key(kind: Kind, id: &str) -> Result<Key, Error> {
    Key::from_parts(kind, id).at("key")
}

fn texts(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
}

fn labels(field: &str, texts: BTreeMap<String, String>) -> Result<Labels, Error> {
    let entries = texts.into_iter().map(|(key, value)| Ok((key, value.parse().at(field)?)));
    Labels::new(entries.collect::<Result<Vec<_>, Error>>()?).at(field)
}
