//! Version 1 of every command's data. Frozen: a new shape is a new file.

use std::collections::BTreeMap;

use loki_domain::{Command, Labels, NodeRef, Patch, Ratio, ServerRef, Text, Weigh};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Intake;
use crate::error::{At, Error, read_json};

type Texts = BTreeMap<String, String>;
type Changes = BTreeMap<String, Option<String>>;

/// Creates a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeCreate {
    /// The new node's path, `/acme/shop`.
    pub path: String,
    /// Also creates the ancestors that are missing.
    #[serde(default)]
    pub parents: bool,
    #[serde(default)]
    pub labels: Texts,
    /// People or teams, in the order in which they are asked.
    #[serde(default)]
    #[schemars(extend("x-loki-personal" = true))]
    pub contacts: Vec<String>,
    /// Defaults for what happens under this node.
    #[serde(default)]
    pub defaults: Texts,
}

/// Gives a node another name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRename {
    /// The node's path or id.
    pub node: String,
    pub name: String,
}

/// Puts a node, with all that is under it, under another parent.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeMove {
    /// The node's path or id.
    pub node: String,
    /// The new parent's path or id; `/` is the top.
    pub to: String,
}

/// Removes a node that has nothing under it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRemove {
    /// The node's path or id.
    pub node: String,
}

/// Changes a node's labels, contacts or defaults. What is absent stays.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSet {
    /// The node's path or id.
    pub node: String,
    /// A text sets the label, null removes it.
    #[serde(default)]
    pub labels: Changes,
    /// Replaces all contacts; an empty list inherits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-loki-personal" = true))]
    pub contacts: Option<Vec<String>>,
    /// A text sets the default, null removes it.
    #[serde(default)]
    pub defaults: Changes,
}

/// Registers a server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRegister {
    /// The host name in lower case; unique among servers that are not retired.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// IP addresses or host names, the first is the one to use.
    #[serde(default)]
    pub addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idc: Option<String>,
    #[serde(default)]
    pub labels: Texts,
    /// `in_stock`, `online`, `offline` or `maintenance`.
    #[serde(default = "in_stock")]
    pub state: String,
}

fn in_stock() -> String {
    "in_stock".to_owned()
}

/// Changes what is known of a server. What is absent stays.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerUpdate {
    /// The server's name, or `id:` and its id.
    pub server: String,
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Null clears it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub serial: Option<Option<String>>,
    /// Replaces all addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Null clears it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub idc: Option<Option<String>>,
    /// A text sets the label, null removes it.
    #[serde(default)]
    pub labels: Changes,
}

/// Sets a server's state.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerState {
    /// The server's name, or `id:` and its id.
    pub server: String,
    /// `in_stock`, `online`, `offline` or `maintenance`.
    pub state: String,
}

/// Retires a server for ever and unmounts it everywhere.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRetire {
    /// The server's name, or `id:` and its id.
    pub server: String,
}

/// Mounts a server on a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerMount {
    /// The server's name, or `id:` and its id.
    pub server: String,
    /// The node's path or id.
    pub node: String,
    /// Mounted, but takes no traffic.
    #[serde(default)]
    pub offline: bool,
    /// Parts per million of the node's traffic; absent or null: automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<u32>,
}

/// Takes a server off a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerUnmount {
    /// The server's name, or `id:` and its id.
    pub server: String,
    /// The node's path or id.
    pub node: String,
}

/// Changes several mounts of a node at once, so that their ratios can change together.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerWeigh {
    /// The node's path or id.
    pub node: String,
    #[schemars(length(min = 1, max = 500))]
    pub mounts: Vec<MountWeigh>,
}

/// What is absent stays.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountWeigh {
    /// The server's name, or `id:` and its id.
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<bool>,
    /// Parts per million; null: automatic.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Option<u32>>,
}

/// Makes a membership rule, or replaces the pattern and labels of one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipSet {
    /// The rule to change; absent: a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,
    /// The new rule's node, by path or id; a rule's node cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A name pattern with `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Labels that a server must have, all of them.
    #[serde(default)]
    pub labels: Texts,
}

/// Removes a membership rule and the mounts that it made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipRemove {
    pub membership: String,
}

/// The next step of a rule that touches many servers. The decider appends it by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipSweep {
    pub membership: String,
}

/// Tells null from absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads data by its type's name.
pub(super) fn read(kind: &str, data: &[u8]) -> Result<Intake, Error> {
    fn typed<'a, T: Deserialize<'a> + Serialize>(
        kind: &str,
        data: &'a [u8],
        convert: impl FnOnce(T) -> Result<Command, Error>,
    ) -> Result<Intake, Error> {
        let value: T = read_json(data)?;
        let canonical = serde_json::to_vec(&value).map_err(|error| Error::Json(error.to_string()))?;
        Ok(Intake { digest: super::digest(kind, &canonical), command: convert(value)? })
    }
    match kind {
        "node.create" => typed(kind, data, |v: NodeCreate| {
            Ok(Command::NodeCreate {
                path: v.path.parse().at("path")?,
                parents: v.parents,
                labels: labels("labels", v.labels)?,
                contacts: texts("contacts", v.contacts)?,
                defaults: labels("defaults", v.defaults)?,
            })
        }),
        "node.rename" => {
            typed(kind, data, |v: NodeRename| Ok(Command::NodeRename { node: node("node", &v.node)?, name: v.name.parse().at("name")? }))
        }
        "node.move" => typed(kind, data, |v: NodeMove| Ok(Command::NodeMove { node: node("node", &v.node)?, to: node("to", &v.to)? })),
        "node.remove" => typed(kind, data, |v: NodeRemove| Ok(Command::NodeRemove { node: node("node", &v.node)? })),
        "node.set" => typed(kind, data, |v: NodeSet| {
            Ok(Command::NodeSet {
                node: node("node", &v.node)?,
                labels: patch("labels", v.labels)?,
                contacts: v.contacts.map(|contacts| texts("contacts", contacts)).transpose()?,
                defaults: patch("defaults", v.defaults)?,
            })
        }),
        "server.register" => typed(kind, data, |v: ServerRegister| {
            Ok(Command::ServerRegister {
                name: v.name.parse().at("name")?,
                serial: option("serial", v.serial)?,
                addresses: texts("addresses", v.addresses)?,
                idc: option("idc", v.idc)?,
                labels: labels("labels", v.labels)?,
                state: v.state.parse().at("state")?,
            })
        }),
        "server.update" => typed(kind, data, |v: ServerUpdate| {
            Ok(Command::ServerUpdate {
                server: server("server", &v.server)?,
                name: v.name.map(|name| name.parse().at("name")).transpose()?,
                serial: v.serial.map(|serial| option("serial", serial)).transpose()?,
                addresses: v.addresses.map(|addresses| texts("addresses", addresses)).transpose()?,
                idc: v.idc.map(|idc| option("idc", idc)).transpose()?,
                labels: patch("labels", v.labels)?,
            })
        }),
        "server.state" => typed(kind, data, |v: ServerState| {
            Ok(Command::ServerState { server: server("server", &v.server)?, state: v.state.parse().at("state")? })
        }),
        "server.retire" => typed(kind, data, |v: ServerRetire| Ok(Command::ServerRetire { server: server("server", &v.server)? })),
        "server.mount" => typed(kind, data, |v: ServerMount| {
            Ok(Command::ServerMount {
                server: server("server", &v.server)?,
                node: node("node", &v.node)?,
                offline: v.offline,
                ratio: v.ratio.map(|ppm| Ratio::new(ppm).at("ratio")).transpose()?,
            })
        }),
        "server.unmount" => typed(kind, data, |v: ServerUnmount| {
            Ok(Command::ServerUnmount { server: server("server", &v.server)?, node: node("node", &v.node)? })
        }),
        "server.weigh" => typed(kind, data, |v: ServerWeigh| {
            if !(1..=500).contains(&v.mounts.len()) {
                return Err(Error::Value { field: "mounts".to_owned(), message: format!("1 to 500 mounts, these are {}", v.mounts.len()) });
            }
            let mounts = v.mounts.into_iter().enumerate().map(|(i, mount)| {
                Ok(Weigh {
                    server: server(&format!("mounts[{i}].server"), &mount.server)?,
                    offline: mount.offline,
                    ratio: mount
                        .ratio
                        .map(|ratio| ratio.map(|ppm| Ratio::new(ppm).at(format!("mounts[{i}].ratio"))).transpose())
                        .transpose()?,
                })
            });
            Ok(Command::ServerWeigh { node: node("node", &v.node)?, mounts: mounts.collect::<Result<_, Error>>()? })
        }),
        "membership.set" => typed(kind, data, |v: MembershipSet| {
            Ok(Command::MembershipSet {
                membership: v.membership.map(|id| id.parse().at("membership")).transpose()?,
                node: v.node.map(|text| node("node", &text)).transpose()?,
                pattern: v.pattern.map(|pattern| pattern.parse().at("pattern")).transpose()?,
                labels: labels("labels", v.labels)?,
            })
        }),
        "membership.remove" => {
            typed(kind, data, |v: MembershipRemove| Ok(Command::MembershipRemove { membership: v.membership.parse().at("membership")? }))
        }
        "membership.sweep" => {
            typed(kind, data, |v: MembershipSweep| Ok(Command::MembershipSweep { membership: v.membership.parse().at("membership")? }))
        }
        _ => Err(Error::UnknownType(kind.chars().take(64).collect())),
    }
}

/// The data of a command as `read` takes it.
pub(super) fn write(command: &Command) -> Vec<u8> {
    let json = match command {
        Command::NodeCreate { path, parents, labels, contacts, defaults } => serde_json::to_vec(&NodeCreate {
            path: path.to_string(),
            parents: *parents,
            labels: write_labels(labels),
            contacts: write_texts(contacts),
            defaults: write_labels(defaults),
        }),
        Command::NodeRename { node, name } => serde_json::to_vec(&NodeRename { node: write_node(node), name: name.to_string() }),
        Command::NodeMove { node, to } => serde_json::to_vec(&NodeMove { node: write_node(node), to: write_node(to) }),
        Command::NodeRemove { node } => serde_json::to_vec(&NodeRemove { node: write_node(node) }),
        Command::NodeSet { node, labels, contacts, defaults } => serde_json::to_vec(&NodeSet {
            node: write_node(node),
            labels: write_patch(labels),
            contacts: contacts.as_deref().map(write_texts),
            defaults: write_patch(defaults),
        }),
        Command::ServerRegister { name, serial, addresses, idc, labels, state } => serde_json::to_vec(&ServerRegister {
            name: name.to_string(),
            serial: serial.as_ref().map(Text::to_string),
            addresses: write_texts(addresses),
            idc: idc.as_ref().map(Text::to_string),
            labels: write_labels(labels),
            state: state.to_string(),
        }),
        Command::ServerUpdate { server, name, serial, addresses, idc, labels } => serde_json::to_vec(&ServerUpdate {
            server: write_server(server),
            name: name.as_ref().map(ToString::to_string),
            serial: serial.as_ref().map(|serial| serial.as_ref().map(Text::to_string)),
            addresses: addresses.as_deref().map(write_texts),
            idc: idc.as_ref().map(|idc| idc.as_ref().map(Text::to_string)),
            labels: write_patch(labels),
        }),
        Command::ServerState { server, state } => {
            serde_json::to_vec(&ServerState { server: write_server(server), state: state.to_string() })
        }
        Command::ServerRetire { server } => serde_json::to_vec(&ServerRetire { server: write_server(server) }),
        Command::ServerMount { server, node, offline, ratio } => serde_json::to_vec(&ServerMount {
            server: write_server(server),
            node: write_node(node),
            offline: *offline,
            ratio: ratio.map(Ratio::ppm),
        }),
        Command::ServerUnmount { server, node } => {
            serde_json::to_vec(&ServerUnmount { server: write_server(server), node: write_node(node) })
        }
        Command::ServerWeigh { node, mounts } => serde_json::to_vec(&ServerWeigh {
            node: write_node(node),
            mounts: mounts
                .iter()
                .map(|weigh| MountWeigh {
                    server: write_server(&weigh.server),
                    offline: weigh.offline,
                    ratio: weigh.ratio.map(|ratio| ratio.map(Ratio::ppm)),
                })
                .collect(),
        }),
        Command::MembershipSet { membership, node, pattern, labels } => serde_json::to_vec(&MembershipSet {
            membership: membership.map(|id| id.to_string()),
            node: node.as_ref().map(write_node),
            pattern: pattern.as_ref().map(ToString::to_string),
            labels: write_labels(labels),
        }),
        Command::MembershipRemove { membership } => serde_json::to_vec(&MembershipRemove { membership: membership.to_string() }),
        Command::MembershipSweep { membership } => serde_json::to_vec(&MembershipSweep { membership: membership.to_string() }),
    };
    // strings, numbers and maps with string keys always serialise
    json.unwrap_or_default()
}

fn node(field: &str, text: &str) -> Result<NodeRef, Error> {
    if text.starts_with('/') { text.parse().map(NodeRef::Path).at(field) } else { text.parse().map(NodeRef::Id).at(field) }
}

/// A name, or `id:` and an id: a name could look like an id.
fn server(field: &str, text: &str) -> Result<ServerRef, Error> {
    match text.strip_prefix("id:") {
        Some(id) => id.parse().map(ServerRef::Id).at(field),
        None => text.parse().map(ServerRef::Name).at(field),
    }
}

fn option(field: &str, text: Option<String>) -> Result<Option<Text>, Error> {
    text.map(|text| text.parse().at(field)).transpose()
}

fn texts(field: &str, texts: Vec<String>) -> Result<Vec<Text>, Error> {
    if texts.len() > loki_domain::labels::COUNT_MAX {
        let message = format!("at most {} entries, these are {}", loki_domain::labels::COUNT_MAX, texts.len());
        return Err(Error::Value { field: field.to_owned(), message });
    }
    texts.into_iter().enumerate().map(|(i, text)| text.parse().at(format!("{field}[{i}]"))).collect()
}

fn labels(field: &str, texts: Texts) -> Result<Labels, Error> {
    let entries = texts.into_iter().map(|(key, value)| {
        let value = value.parse().at(format!("{field}.{key}"))?;
        Ok((key, value))
    });
    Labels::new(entries.collect::<Result<Vec<_>, Error>>()?).at(field)
}

fn patch(field: &str, changes: Changes) -> Result<Patch, Error> {
    changes
        .into_iter()
        .map(|(key, value)| {
            loki_domain::labels::check_key(&key).at(field)?;
            let value = value.map(|value| value.parse().at(format!("{field}.{key}"))).transpose()?;
            Ok((key, value))
        })
        .collect()
}

fn write_node(node: &NodeRef) -> String {
    match node {
        NodeRef::Id(id) => id.to_string(),
        NodeRef::Path(path) => path.to_string(),
    }
}

fn write_server(server: &ServerRef) -> String {
    match server {
        ServerRef::Id(id) => format!("id:{id}"),
        ServerRef::Name(name) => name.to_string(),
    }
}

fn write_texts(texts: &[Text]) -> Vec<String> {
    texts.iter().map(Text::to_string).collect()
}

fn write_labels(labels: &Labels) -> Texts {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
}

fn write_patch(patch: &Patch) -> Changes {
    patch.iter().map(|(key, value)| (key.clone(), value.as_ref().map(Text::to_string))).collect()
}
