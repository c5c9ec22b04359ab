//! The answer to "which servers are on this node". Two stores give it, the tree's (`loki-zookeeper`) and the live state (`loki-redis`), byte for byte:
//! clients keep their ETags whichever of them answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use loki_domain::{Mount, Ratio, Server, ServerId, Source, Text, Weighed, weights};
use serde::Serialize;

/// A JSON body that is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoded {
    pub body: Bytes,
    /// A strong entity tag, quotes included; equal bodies have equal tags.
    pub etag: String,
}

#[derive(Serialize)]
struct Body<'a> {
    node: NodeLine<'a>,
    servers: Vec<ServerLine<'a>>,
}

#[derive(Serialize)]
struct NodeLine<'a> {
    id: Option<&'a str>,
    path: &'a str,
}

#[derive(Serialize)]
struct ServerLine<'a> {
    id: String,
    name: &'a str,
    state: &'static str,
    addresses: Vec<&'a str>,
    idc: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    mounts: &'a [MountLine<'a>],
}

#[derive(Serialize)]
struct MountLine<'a> {
    node: &'a str,
    offline: bool,
    /// Parts per million; null: automatic.
    ratio: Option<u32>,
    /// Reduced over all mounts of that node.
    weight: u64,
    membership: Option<String>,
}

/// What lies on one node: each mount whose server is there.
pub type Mounted = [(Mount, Arc<Server>)];

/// The answer for a node, with what lies on the nodes at these paths, sorted by name. No id: the whole tree.
pub fn encode<'a>(id: Option<&str>, path: &str, nodes: impl Iterator<Item = (&'a str, &'a Mounted)>) -> Encoded {
    let mut lines: BTreeMap<ServerId, (&Server, Vec<MountLine<'a>>)> = BTreeMap::new();
    for (path, mounted) in nodes {
        let weighed: Vec<Weighed> =
            mounted.iter().map(|(mount, server)| Weighed { offline: mount.offline, state: server.state, ratio: mount.ratio }).collect();
        for ((mount, server), weight) in mounted.iter().zip(weights(&weighed)) {
            let membership = match mount.source {
                Source::Manual => None,
                Source::Membership(id) => Some(id.to_string()),
            };
            let line = MountLine { node: path, offline: mount.offline, ratio: mount.ratio.map(Ratio::ppm), weight, membership };
            lines.entry(server.id).or_insert_with(|| (server, Vec::new())).1.push(line);
        }
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.iter_mut().for_each(|(_, mounts)| mounts.sort_by(|one, other| one.node.cmp(other.node)));
    lines.sort_by(|(one, _), (other, _)| (&one.name, one.id).cmp(&(&other.name, other.id)));
    let servers = lines.iter().map(|(server, mounts)| line(server, mounts)).collect();
    // texts and numbers always serialise
    let body = serde_json::to_vec(&Body { node: NodeLine { id, path }, servers }).unwrap_or_default();
    let etag = format!("\"{}\"", &crate::digest::to_hex(&crate::digest::sha256(&[&body]))[..32]);
    Encoded { body: Bytes::from(body), etag }
}

fn line<'a>(server: &'a Server, mounts: &'a [MountLine<'a>]) -> ServerLine<'a> {
    ServerLine {
        id: server.id.to_string(),
        name: server.name.as_str(),
        state: server.state.as_str(),
        addresses: server.addresses.iter().map(Text::as_str).collect(),
        idc: server.idc.as_ref().map(Text::as_str),
        labels: server.labels.iter().map(|(key, value)| (key, value.as_str())).collect(),
        mounts,
    }
}
