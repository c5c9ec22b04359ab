//! The tree as the API answers it, and its address.

use std::collections::BTreeMap;

use loki_domain::NodePath;
use serde::Deserialize;

use crate::client::{Client, Request};

/// A node with what is below it; the top has the path `/` and no id.
#[derive(Debug, Deserialize)]
pub(crate) struct TreeNode {
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) servers: u64,
    #[serde(default)]
    pub(crate) children: Vec<TreeNode>,
}

/// `GET /v1/tree`, or of a node below it.
pub(crate) fn request(client: &Client, path: &NodePath, depth: usize) -> Request {
    let names: Vec<String> = path.names().iter().map(ToString::to_string).collect();
    let segments: Vec<&str> = ["v1", "tree"].into_iter().chain(names.iter().map(String::as_str)).collect();
    client.get(&segments).with("depth", Some(depth))
}
