//! Version 1 of every command's data. Frozen: a new shape is a new file.

pub mod deploy;
mod read;
mod write;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub(super) use read::read;
pub(super) use write::write;

use crate::{json, shape};

/// How many mounts one `server.weigh` may change.
const MOUNTS_MAX: usize = 500;

type Texts = BTreeMap<String, String>;
type Changes = BTreeMap<String, Option<String>>;

/// Creates a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeCreate {
    /// The new node's path, `/acme/shop`.
    #[schemars(with = "shape::NodePath")]
    pub path: String,
    /// Also creates the ancestors that are missing.
    #[serde(default)]
    pub parents: bool,
    #[serde(default)]
    #[schemars(with = "shape::Labels")]
    pub labels: Texts,
    /// People or teams, in the order in which they are asked.
    #[serde(default)]
    #[schemars(with = "shape::Texts", extend("x-loki-personal" = true))]
    pub contacts: Vec<String>,
    /// Defaults for what happens under this node.
    #[serde(default)]
    #[schemars(with = "shape::Labels")]
    pub defaults: Texts,
    /// The id of a node that was removed: it comes back as the same node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Id>")]
    pub again: Option<String>,
}

/// Gives a node another name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRename {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    #[schemars(with = "shape::NodeName")]
    pub name: String,
}

/// Puts a node, with all that is under it, under another parent.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeMove {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    /// The new parent's path or id; `/` is the top.
    #[schemars(with = "shape::NodeRef")]
    pub to: String,
}

/// Removes a node that has nothing under it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRemove {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
}

/// Changes a node's labels, contacts or defaults. What is absent stays.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSet {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    /// A text sets the label, null removes it.
    #[serde(default)]
    #[schemars(with = "shape::Changes")]
    pub labels: Changes,
    /// Replaces all contacts; an empty list inherits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Texts>", extend("x-loki-personal" = true))]
    pub contacts: Option<Vec<String>>,
    /// A text sets the default, null removes it.
    #[serde(default)]
    #[schemars(with = "shape::Changes")]
    pub defaults: Changes,
}

/// Registers a server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRegister {
    /// The host name in lower case; unique among servers that are not retired.
    #[schemars(with = "shape::ServerName")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub serial: Option<String>,
    /// IP addresses or host names, the first is the one to use.
    #[serde(default)]
    #[schemars(with = "shape::Texts")]
    pub addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub idc: Option<String>,
    #[serde(default)]
    #[schemars(with = "shape::Labels")]
    pub labels: Texts,
    /// `in_stock`, `online`, `offline` or `maintenance`.
    #[serde(default = "in_stock")]
    #[schemars(with = "shape::WantedState")]
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
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::ServerName>")]
    pub name: Option<String>,
    /// Null clears it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub serial: Option<Option<String>>,
    /// Replaces all addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Texts>")]
    pub addresses: Option<Vec<String>>,
    /// Null clears it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub idc: Option<Option<String>>,
    /// A text sets the label, null removes it.
    #[serde(default)]
    #[schemars(with = "shape::Changes")]
    pub labels: Changes,
}

/// Sets a server's state.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerState {
    /// The server's name, or `id:` and its id.
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
    /// `in_stock`, `online`, `offline` or `maintenance`.
    #[schemars(with = "shape::WantedState")]
    pub state: String,
}

/// Retires a server for ever and unmounts it everywhere.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRetire {
    /// The server's name, or `id:` and its id.
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
}

/// Mounts a server on a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerMount {
    /// The server's name, or `id:` and its id.
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    /// Mounted, but takes no traffic.
    #[serde(default)]
    pub offline: bool,
    /// Parts per million of the node's traffic; absent or null: automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Ratio>")]
    pub ratio: Option<u32>,
}

/// Takes a server off a node.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerUnmount {
    /// The server's name, or `id:` and its id.
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
}

/// Changes several mounts of a node at once, so that their ratios can change together.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerWeigh {
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    #[serde(deserialize_with = "json::objects")]
    #[schemars(length(min = 1, max = MOUNTS_MAX))]
    pub mounts: Vec<MountWeigh>,
}

/// What is absent stays.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountWeigh {
    /// The server's name, or `id:` and its id.
    #[schemars(with = "shape::ServerRef")]
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<bool>,
    /// Parts per million; null: automatic.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Ratio>")]
    pub ratio: Option<Option<u32>>,
    /// Gives the mount back to this membership rule, online and automatic: without `offline` and `ratio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Id>")]
    pub membership: Option<String>,
}

/// Makes a membership rule, or replaces the pattern and labels of one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipSet {
    /// The rule to change; absent: a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Id>")]
    pub membership: Option<String>,
    /// The new rule's node, by path or id; a rule's node cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::NodeRef>")]
    pub node: Option<String>,
    /// A name pattern with `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Pattern>")]
    pub pattern: Option<String>,
    /// Labels that a server must have, all of them.
    #[serde(default)]
    #[schemars(with = "shape::Labels")]
    pub labels: Texts,
    /// The id of a rule that was removed: it comes back as the same rule. Without `membership`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Id>")]
    pub again: Option<String>,
}

/// Removes a membership rule and the mounts that it made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipRemove {
    #[schemars(with = "shape::Id")]
    pub membership: String,
}

/// The next step of a rule that touches many servers. The decider appends it by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipSweep {
    #[schemars(with = "shape::Id")]
    pub membership: String,
}

/// Makes a domain, or replaces the node and the expectation of the one with this name, path, scheme and vendor.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainSet {
    /// A name of DNS in lower case (other scripts as punycode) or an IPv4 address, with a port where it is not the scheme's.
    #[schemars(with = "shape::Host")]
    pub name: String,
    #[serde(default = "path")]
    #[schemars(with = "shape::UrlPath")]
    pub path: String,
    /// `https` or `http`.
    #[serde(default = "https")]
    #[schemars(with = "shape::Scheme")]
    pub scheme: String,
    /// Who answers: a CDN's name, or `own`. A tag of the samples about it.
    #[serde(default = "own")]
    #[schemars(with = "shape::SeriesName")]
    pub vendor: String,
    /// The node's path or id.
    #[schemars(with = "shape::NodeRef")]
    pub node: String,
    #[serde(default, deserialize_with = "json::object")]
    pub expect: Expect,
    /// The id of a domain that was removed: it comes back as the same domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Id>")]
    pub again: Option<String>,
}

/// What a good answer is. All of it must hold.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// One of these: `200`, or `2xx` for a class.
    #[serde(default = "statuses", deserialize_with = "as_a_set")]
    #[schemars(with = "shape::Statuses")]
    pub status: Vec<String>,
    /// A text that the body holds; absent or null: any body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Text>")]
    pub body: Option<String>,
    /// How long the answer may take, in milliseconds.
    #[serde(default = "within_ms")]
    #[schemars(with = "shape::Within")]
    pub within_ms: u32,
}

impl Default for Expect {
    fn default() -> Self {
        Self { status: statuses(), body: None, within_ms: within_ms() }
    }
}

/// Removes a domain.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainRemove {
    #[schemars(with = "shape::Host")]
    pub name: String,
    #[serde(default = "path")]
    #[schemars(with = "shape::UrlPath")]
    pub path: String,
    /// `https` or `http`.
    #[serde(default = "https")]
    #[schemars(with = "shape::Scheme")]
    pub scheme: String,
    #[serde(default = "own")]
    #[schemars(with = "shape::SeriesName")]
    pub vendor: String,
}

// Part of the version as well: whoever leaves a field out has always meant this.

fn path() -> String {
    "/".to_owned()
}

fn https() -> String {
    "https".to_owned()
}

fn own() -> String {
    "own".to_owned()
}

fn statuses() -> Vec<String> {
    vec!["2xx".to_owned(), "3xx".to_owned()]
}

fn within_ms() -> u32 {
    10_000
}

/// Whatever the order in which they are written, equal lists are equal requests. One that is too long stays as it is, to be refused.
fn as_a_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let mut texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() <= loki_domain::domain::STATUSES_MAX {
        texts.sort_unstable();
        texts.dedup();
    }
    Ok(texts)
}

/// Tells null from absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
