//! `GET /v1/nodes`: a node and everything under it as a list in parts. A tree that is too large for one answer of `/v1/tree` is read so.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use loki_domain::{NodePath, Stream};
use loki_zookeeper::Branch;
use loki_zookeeper::live::DEPTH_MAX;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::read::{self, Listed};
use crate::wait;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The path of the node; the whole tree when absent.
    under: Option<String>,
    /// How many levels below it, 0 to 64; all when absent.
    depth: Option<usize>,
    /// How many, 1 to 1,000; 100 when absent.
    limit: Option<usize>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// A fact's position that must have been passed, `f42`.
    after: Option<String>,
}

/// One node, without those under it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeLine)]
pub(crate) struct Line {
    id: Option<String>,
    name: String,
    path: String,
    labels: BTreeMap<String, String>,
    /// Those set on the node itself; `/v1/nodes/{id}` tells inherited ones.
    contacts: Vec<String>,
    defaults: BTreeMap<String, String>,
    /// How many servers are mounted on the node itself.
    servers: usize,
}

/// A node and those under it, in parts.
///
/// Parents come first, siblings by name. What changes between two parts may be missing, or be listed at its old and at its new place.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "tree", params(Parameters),
    responses((status = 200, description = "A part of the list", body = Listed<Line>), (status = 404, description = "No such node", body = Problem),
        (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn list_nodes(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let under: NodePath = read::value("under", parameters.under.as_deref().unwrap_or("/"))?;
    let depth = parameters.depth.unwrap_or(DEPTH_MAX);
    if depth > DEPTH_MAX {
        return Err(Problem::bad_parameter("depth", format!("`depth` must be 0 to {DEPTH_MAX}")));
    }
    let page = read::page(parameters.limit, parameters.cursor)?;
    let cursor = page.cursor.as_deref().map(|cursor| read::value::<NodePath>("cursor", cursor)).transpose()?;
    if cursor.as_ref().is_some_and(|cursor| !cursor.names().starts_with(under.names())) {
        return Err(Problem::bad_parameter("cursor", "`cursor` must be the `next` of another part"));
    }
    if let Some(after) = wait::after(parameters.after.as_deref(), &headers, Stream::Fact)? {
        wait::unless_stopping(&app, app.tree.wait(after, app.config.wait_max)).await?;
    }
    // one more than is shown tells whether there are more
    let answer = app.tree.nodes(&under, depth, cursor.as_ref(), page.limit + 1)?;
    let mut nodes = answer.value.ok_or_else(|| Problem::not_found(format!("no node `{under}`")))?;
    let more = nodes.len() > page.limit;
    nodes.truncate(page.limit);
    let next = nodes.last().filter(|_| more).map(|last| last.path.clone());
    Ok(read::listed(read::last_fact(answer.position), &uri, nodes.into_iter().map(line).collect(), next))
}

fn line(branch: Branch) -> Line {
    let Branch { id, name, path, labels, contacts, defaults, servers, children: _ } = branch;
    Line { id, name, path, labels, contacts, defaults, servers }
}
