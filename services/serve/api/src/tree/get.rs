//! `GET /v1/tree/{path}`: the tree as it is, or with `at` as it was.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use loki_domain::{Entity, Kind, NodePath, NodeRef, Position, Stream};
use loki_runtime::task;
use loki_wire::Change;
use loki_zookeeper::live::NODES_MAX;
use loki_zookeeper::{Branch, Refusal, View, body};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Path, Query};
use crate::history::moment;
use crate::problem::{Problem, Result};
use crate::{read, wait};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How many levels below the node, 0 to 64; 1 when absent.
    depth: Option<usize>,
    /// A position (`c17`) or a time (RFC 3339) of the past.
    at: Option<String>,
    /// What must have been passed: a fact's position, `f42`; with `at` a command's, `c17`.
    after: Option<String>,
}

/// A node with what is under it: describes `loki_zookeeper::Branch`, which knows nothing of OpenAPI.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Branch)]
pub(crate) struct Node {
    /// Null for `/`.
    id: Option<String>,
    name: String,
    path: String,
    labels: BTreeMap<String, String>,
    /// Those set on the node itself; `/v1/nodes/{id}` tells inherited ones.
    contacts: Vec<String>,
    defaults: BTreeMap<String, String>,
    /// How many servers are mounted on the node itself.
    servers: usize,
    #[schema(value_type = Vec<Object>)]
    children: Vec<Node>,
}

/// The whole tree.
#[utoipa::path(
    get, path = "/v1/tree", tag = "tree", params(Parameters),
    responses((status = 200, description = "`/` and what is under it", body = Node), (status = 400, description = "A bad parameter", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_root(State(app): State<App>, Query(parameters): Query<Parameters>, headers: HeaderMap) -> Result<Response> {
    answer(&app, NodePath::default(), parameters, &headers).await
}

/// A node and what is under it, by path.
#[utoipa::path(
    get, path = "/v1/tree/{*path}", tag = "tree", params(Parameters, ("path" = String, Path, description = "The node's path, `acme/shop`")),
    responses((status = 200, description = "The node and what is under it", body = Node), (status = 404, description = "No such node", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn get_tree(
    State(app): State<App>,
    Path(path): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response> {
    let path = format!("/{}", path.trim_matches('/'));
    let path = path.parse().map_err(|invalid: loki_domain::Invalid| Problem::bad_parameter("path", invalid.to_string()))?;
    answer(&app, path, parameters, &headers).await
}

async fn answer(app: &App, path: NodePath, parameters: Parameters, headers: &HeaderMap) -> Result<Response> {
    let depth = parameters.depth.unwrap_or(1);
    if depth > loki_zookeeper::live::DEPTH_MAX {
        return Err(Problem::bad_parameter("depth", format!("`depth` must be 0 to {}", loki_zookeeper::live::DEPTH_MAX)));
    }
    let node = NodeRef::Path(path.clone());
    let (position, branch) = match &parameters.at {
        Some(at) => was(app, &node, depth, at, parameters.after.as_deref(), headers).await?,
        None => {
            if let Some(after) = wait::after(parameters.after.as_deref(), headers, Stream::Fact)? {
                wait::unless_stopping(app, app.tree.wait(after, app.config.wait_max)).await?;
            }
            let answer = app.tree.tree(&node, depth)?;
            (read::last_fact(answer.position), answer.value)
        }
    };
    let branch = branch.ok_or_else(|| Problem::not_found(format!("no node `{path}`")))?;
    Ok(read::at(position, branch))
}

/// The tree as the history tells it.
async fn was(
    app: &App,
    node: &NodeRef,
    depth: usize,
    at: &str,
    after: Option<&str>,
    headers: &HeaderMap,
) -> Result<(Position, Option<Branch>)> {
    let at_least = read::history_after(app, after, headers).await?;
    let moment = moment::settled(app, moment::read("at", at)?).await;
    moment::told(app, [moment]).await?;
    let past = app.history.state_at(&[Kind::Node, Kind::Mount], moment, at_least).await?.value;
    let position = past.at.command.map_or(Position::command(0), Position::command);
    // the whole tree is made to show a part of it: too long for a thread that others wait for
    let node = node.clone();
    let building = task::spawn_blocking("past tree", move || branch(past.entities, &node, depth));
    let branch = building.await.map_err(|error| Problem::not_ready(format!("the tree was not made: {error}")))??;
    Ok((position, branch))
}

/// A part of the tree that these entities make, bounded like one of the tree as it is.
fn branch(entities: Vec<Entity>, node: &NodeRef, depth: usize) -> Result<Option<Branch>> {
    let mut view = View::default();
    for entity in entities {
        if matches!(entity, Entity::Node(_) | Entity::Mount(_)) {
            view.apply(&Change::Set(entity));
        }
    }
    match view.resolve(node) {
        Some(found) if view.exceeds(found, depth, NODES_MAX) => Err(Refusal::TooLarge { limit: NODES_MAX }.into()),
        found => Ok(found.map(|found| body::tree(&view, found, depth))),
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, Node, NodeId};

    use super::*;

    #[test]
    fn the_past_is_bounded_like_the_present() {
        let node = |number: usize| {
            Entity::Node(Node {
                id: NodeId::from_digest(&digest(number)),
                parent: None,
                name: format!("n{number}").parse().unwrap(),
                labels: Labels::default(),
                contacts: vec![],
                defaults: Labels::default(),
            })
        };
        let root = NodeRef::Path(NodePath::default());
        let of = |count: usize, depth| branch((1..=count).map(node).collect(), &root, depth);
        assert_eq!(of(NODES_MAX - 1, 1).unwrap().unwrap().children.len(), NODES_MAX - 1);
        assert_eq!(of(NODES_MAX, 1).unwrap_err().status(), 400);
        assert!(of(NODES_MAX, 0).unwrap().is_some());
    }

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }
}
