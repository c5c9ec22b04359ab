//! The tree as the API answers it, its address, and how a tree is read that has too many nodes for one answer.

use std::collections::BTreeMap;

use loki_domain::NodePath;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{Client, Error, Request};

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

/// The code of a refusal: more nodes than one answer gives.
pub(crate) const TOO_MANY: &str = "too_many_nodes";

/// `GET /v1/tree`, or of a node below it.
pub(crate) fn request(client: &Client, path: &NodePath, depth: usize) -> Request {
    let names: Vec<String> = path.names().iter().map(ToString::to_string).collect();
    let segments: Vec<&str> = ["v1", "tree"].into_iter().chain(names.iter().map(String::as_str)).collect();
    client.get(&segments).with("depth", Some(depth))
}

/// `GET /v1/nodes`: a node and those below it as a list, parents first, in parts of any number.
pub(crate) fn list_request(client: &Client, under: &NodePath, depth: usize) -> Request {
    client.get(&["v1", "nodes"]).with("under", Some(under)).with("depth", Some(depth))
}

/// What one answer would be if it could be so large.
pub(crate) async fn in_parts(client: &Client, path: &NodePath, depth: usize, after: Option<&String>) -> Result<Map<String, Value>, Error> {
    let top = client.send(&request(client, path, 0).with("after", after)).await?.json()?;
    let listed = client.list(&list_request(client, path, depth).with("after", after), usize::MAX).await?;
    Ok(assemble(top, listed.items))
}

/// Puts nodes below each other. One whose parent was moved away meanwhile is put below the nearest node that its path is below.
fn assemble(top: Map<String, Value>, nodes: Vec<Map<String, Value>>) -> Map<String, Value> {
    let mut open = vec![top];
    for node in nodes {
        while open.len() > 1 && !is_below(&node, &open[open.len() - 1]) {
            close(&mut open);
        }
        // the list begins with the top itself
        if path_of(&node) != path_of(&open[0]) {
            open.push(node);
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().unwrap_or_default()
}

fn path_of(node: &Map<String, Value>) -> &str {
    node.get("path").and_then(Value::as_str).unwrap_or_default()
}

fn is_below(node: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    path_of(node).strip_prefix(path_of(other)).is_some_and(|rest| rest.starts_with('/'))
}

/// Nothing more comes below the last one.
fn close(open: &mut Vec<Map<String, Value>>) {
    let Some(mut node) = open.pop() else { return };
    node.entry("children").or_insert_with(|| Value::Array(vec![]));
    let Some(parent) = open.last_mut() else { return };
    if let Value::Array(children) = parent.entry("children").or_insert_with(|| Value::Array(vec![])) {
        children.push(Value::Object(node));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(path: &str) -> Map<String, Value> {
        json!({ "path": path }).as_object().unwrap().clone()
    }

    #[test]
    fn a_list_becomes_a_tree() {
        let list = ["/a", "/a/b", "/a/b/c", "/a/bb", "/d/e/f", "/g"].map(node).to_vec();
        let leaf = |path: &str| json!({ "path": path, "children": [] });
        let below_a = json!([{ "path": "/a/b", "children": [leaf("/a/b/c")] }, leaf("/a/bb")]);
        let expected = json!([{ "path": "/a", "children": below_a }, leaf("/d/e/f"), leaf("/g")]);
        let tree = assemble(node("/"), list.clone());
        assert_eq!(Value::Object(tree), json!({ "path": "/", "children": expected }));
        let tree = assemble(json!({ "path": "/a", "children": [] }).as_object().unwrap().clone(), list[..4].to_vec());
        assert_eq!(Value::Object(tree), json!({ "path": "/a", "children": below_a }));
    }
}
