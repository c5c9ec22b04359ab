//! What is there, as far as an inventory can touch it: from the query API to what a plan is compared with.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::path::DEPTH_MAX;
use loki_domain::{NodeName, NodePath};
use serde::Deserialize;

use crate::client::{Client, Error};
use crate::import::{Current, CurrentServer, Inventory};
use crate::servers::OfNode;
use crate::tree::node::{self, TreeNode};

pub(super) struct There {
    pub(super) current: Current,
    /// Where the log was when it was read.
    pub(super) position: String,
}

/// A server as its fact says.
#[derive(Debug, Deserialize)]
struct Server {
    name: String,
    serial: Option<String>,
    #[serde(default)]
    addresses: Vec<String>,
    idc: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

pub(super) async fn read(client: &Client, under: &NodePath, inventory: &Inventory) -> Result<There, Error> {
    let mut current = Current::default();
    // a list and not a tree: an answer of the tree is bounded, and an inventory may bring ten times as many nodes
    let nodes = found(client.list::<TreeNode>(&node::list_request(client, under, DEPTH_MAX), usize::MAX).await)?;
    let mut position = String::from("none");
    if let Some(nodes) = nodes {
        position = nodes.position.unwrap_or(position);
        current.nodes = nodes.items.into_iter().map(|node| (node.path, node.labels)).collect();
    }
    let servers = client.list::<Server>(&client.get(&["v1", "servers"]), usize::MAX).await?;
    position.push_str(&format!("/{}", servers.position.as_deref().unwrap_or("none")));
    for Server { name, serial, addresses, idc, labels } in servers.items {
        current.servers.insert(name, CurrentServer { serial, addresses, idc, labels });
    }
    for top in tops(under, inventory).iter().filter(|top| current.nodes.contains_key(*top)).cloned().collect::<Vec<_>>() {
        let request = client.get(&["v1", "servers"]).with("node", Some(&top)).with("recursive", Some(true));
        let Some(answer) = found(client.send(&request).await)? else { continue };
        for server in answer.json::<OfNode>()?.servers {
            let mounts = server.mounts.iter().map(|mount| (server.name.clone(), mount.node.clone()));
            current.mounts.extend(mounts);
        }
    }
    Ok(There { current, position })
}

/// `None` where there is no such node: it will be made.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The highest nodes below which the inventory mounts servers. `/` is no node, so it has none of its own.
fn tops(under: &NodePath, inventory: &Inventory) -> BTreeSet<String> {
    if !under.is_root() {
        return BTreeSet::from([under.to_string()]);
    }
    let mounts = inventory.servers.iter().flat_map(|server| &server.mounts);
    let first = mounts.filter_map(|mount| mount.path.split('/').nth(1)).filter_map(|name| name.parse::<NodeName>().ok());
    first.map(|name| format!("/{name}")).collect()
}
