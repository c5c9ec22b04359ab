//! The encoded answer to "which servers are on this node".

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use loki_domain::{NodeId, Ratio, Server, ServerId, Source, Text, Weighed, weights};
use serde::Serialize;

use crate::port::{Branch, Encoded};
use crate::view::View;

#[derive(Serialize)]
struct Body<'a> {
    node: NodeLine,
    servers: Vec<ServerLine<'a>>,
}

#[derive(Serialize)]
struct NodeLine {
    id: Option<String>,
    path: String,
}

#[derive(Serialize)]
struct ServerLine<'a> {
    id: String,
    name: &'a str,
    state: &'static str,
    addresses: Vec<&'a str>,
    idc: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    mounts: &'a [MountLine],
}

#[derive(Serialize)]
struct MountLine {
    node: String,
    offline: bool,
    /// Parts per million; null: automatic.
    ratio: Option<u32>,
    /// Reduced over all mounts of that node.
    weight: u64,
    membership: Option<String>,
}

/// What an answer shows, taken out of the view: it is encoded while the view may change.
pub struct Found {
    node: NodeLine,
    servers: Vec<(Arc<Server>, Vec<MountLine>)>,
}

/// The servers mounted on a node, or with `recursive` on it and all under it, each with its mounts there.
pub fn find(view: &View, node: Option<NodeId>, recursive: bool) -> Found {
    let nodes = if recursive { view.under(node) } else { node.into_iter().collect() };
    let mut mounts: BTreeMap<ServerId, Vec<MountLine>> = BTreeMap::new();
    for node in nodes {
        let Some(path) = view.path(node) else { continue };
        let here: Vec<_> = view.mounts(node).filter_map(|mount| Some((mount, view.server(mount.server)?))).collect();
        let weighed: Vec<Weighed> =
            here.iter().map(|(mount, server)| Weighed { offline: mount.offline, state: server.state, ratio: mount.ratio }).collect();
        for ((mount, server), weight) in here.into_iter().zip(weights(&weighed)) {
            let membership = match mount.source {
                Source::Manual => None,
                Source::Membership(id) => Some(id.to_string()),
            };
            let line = MountLine { node: path.to_string(), offline: mount.offline, ratio: mount.ratio.map(Ratio::ppm), weight, membership };
            mounts.entry(server.id).or_default().push(line);
        }
    }
    let path = node.and_then(|id| view.path(id)).unwrap_or_default().to_string();
    Found {
        node: NodeLine { id: node.map(|id| id.to_string()), path },
        servers: mounts.into_iter().filter_map(|(id, mounts)| Some((view.server(id)?.clone(), mounts))).collect(),
    }
}

impl Found {
    /// Sorted by name.
    pub fn encode(mut self) -> Encoded {
        self.servers.iter_mut().for_each(|(_, mounts)| mounts.sort_by(|a, b| a.node.cmp(&b.node)));
        self.servers.sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let servers = self.servers.iter().map(|(server, mounts)| line(server, mounts)).collect();
        // texts and numbers always serialise
        let body = serde_json::to_vec(&Body { node: self.node, servers }).unwrap_or_default();
        let etag = format!("\"{}\"", &loki_wire::digest::to_hex(&loki_wire::digest::sha256(&[&body]))[..32]);
        Encoded { body: Bytes::from(body), etag }
    }
}

fn line<'a>(server: &'a Server, mounts: &'a [MountLine]) -> ServerLine<'a> {
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

/// A node with what is under it; `/` for `None`.
pub fn tree(view: &View, node: Option<NodeId>, depth: usize) -> Branch {
    let here = node.and_then(|id| view.node(id));
    let children = if depth == 0 { Vec::new() } else { view.children(node).map(|child| tree(view, Some(child), depth - 1)).collect() };
    let texts = |labels: &loki_domain::Labels| labels.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    Branch {
        id: node.map(|id| id.to_string()),
        name: here.map(|node| node.name.to_string()).unwrap_or_default(),
        path: node.and_then(|id| view.path(id)).unwrap_or_default().to_string(),
        labels: here.map(|node| texts(&node.labels)).unwrap_or_default(),
        contacts: here.map(|node| node.contacts.iter().map(Text::to_string).collect()).unwrap_or_default(),
        defaults: here.map(|node| texts(&node.defaults)).unwrap_or_default(),
        servers: node.map_or(0, |id| view.mounts(id).count()),
        children,
    }
}
