//! Answers, made of the view.

use loki_domain::{NodeId, Text};
use loki_wire::mounted::{self, Encoded};

use crate::port::Branch;
use crate::view::View;

/// What an answer shows, taken out of the view: it is encoded while the view may change.
pub struct Found {
    id: Option<String>,
    path: String,
    /// Each node's path, and what lies on it.
    nodes: Vec<(String, Box<mounted::Mounted>)>,
}

/// The servers mounted on a node, or with `recursive` on it and all under it, each with its mounts there.
pub fn find(view: &View, node: Option<NodeId>, recursive: bool) -> Found {
    let nodes = if recursive { view.under(node) } else { node.into_iter().collect() };
    let mounted = |node| {
        let path = view.path(node)?.to_string();
        Some((path, view.mounts(node).filter_map(|mount| Some((*mount, view.server(mount.server)?.clone()))).collect()))
    };
    Found {
        id: node.map(|id| id.to_string()),
        path: node.and_then(|id| view.path(id)).unwrap_or_default().to_string(),
        nodes: nodes.into_iter().filter_map(mounted).collect(),
    }
}

impl Found {
    pub fn encode(&self) -> Encoded {
        mounted::encode(self.id.as_deref(), &self.path, self.nodes.iter().map(|(path, mounted)| (path.as_str(), &**mounted)))
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
