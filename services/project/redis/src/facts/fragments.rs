//! What lies on one node, as it was read from the store, and the list of the nodes under one.

use std::collections::HashMap;
use std::sync::Arc;

use loki_domain::{Entity, Kind, Mount, Server};
use redis::Value;

use super::mark::{text, texts, unreadable};
use crate::error::Error;

/// The mounts of one node and their servers.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub(super) node: String,
    pub(super) version: u64,
    pub(super) mounted: Arc<Vec<(Mount, Arc<Server>)>>,
    /// As they were read, about as much as they take here.
    pub(super) bytes: usize,
}

impl Fragment {
    /// Reads a node's id and version, then each mount and its server, which may not be there.
    pub(super) fn read(value: Value) -> Result<Self, Error> {
        let mut texts = texts(value)?.into_iter();
        let (Some(node), Some(version)) = (texts.next(), texts.next()) else { return Err(unreadable("a fragment has no node")) };
        let mut mounted = Vec::with_capacity(texts.len() / 2);
        let mut bytes = 0;
        while let (Some(mount), Some(server)) = (texts.next(), texts.next()) {
            bytes += mount.len() + server.len();
            if server.is_empty() {
                continue;
            }
            match (entity(Kind::Mount, &mount)?, entity(Kind::Server, &server)?) {
                (Entity::Mount(mount), Entity::Server(server)) => mounted.push((mount, Arc::new(server))),
                _ => return Err(unreadable("an entity is of another kind")),
            }
        }
        Ok(Self { node, version: number(&version)?, mounted: Arc::new(mounted), bytes })
    }
}

/// One of the nodes under a node.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) version: u64,
}

/// Reads id, parent, name and version of each node, parents first; the first is the node at `path` itself, unless that is `/`.
pub(super) fn read_list(value: Value, top: &str, path: &str) -> Result<Vec<Listed>, Error> {
    let mut texts = texts(value)?.into_iter();
    let mut paths: HashMap<String, String> = HashMap::new();
    paths.insert(top.to_owned(), if top.is_empty() { String::new() } else { path.to_owned() });
    let mut listed = Vec::with_capacity(texts.len() / 4);
    while let (Some(id), Some(parent), Some(name), Some(version)) = (texts.next(), texts.next(), texts.next(), texts.next()) {
        let path = match id == top {
            true => path.to_owned(),
            false => {
                let above = paths.get(&parent).ok_or_else(|| unreadable("a node is listed before its parent"))?;
                format!("{above}/{name}")
            }
        };
        paths.insert(id.clone(), path.clone());
        listed.push(Listed { id, path, version: number(&version)? });
    }
    Ok(listed)
}

pub(super) fn version(value: Value) -> Result<u64, Error> {
    number(&text(value)?)
}

fn number(text: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| unreadable(&format!("`{}` is no version", text.escape_default())))
}

fn entity(kind: Kind, json: &str) -> Result<Entity, Error> {
    loki_wire::fact::v1::read_entity(kind, json.as_bytes()).map_err(|error| unreadable(&format!("a {kind} says: {error}")))
}
