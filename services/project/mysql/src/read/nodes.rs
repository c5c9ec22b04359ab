//! Nodes by id, by path and by parent.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::{Entity, Kind, Membership, Node, NodeId, NodePath, NodeRef};
use loki_wire::fact::v1::read_entity;

use super::inherit::{self, Placed, view};
use super::invalid;
use super::snapshot::Snapshot;
use crate::port::{Listed, NodeView, Page, ReadError};
use crate::sql::{Fault, Row, Value};

/// A node and its ancestors. A set that is walked upwards ends at the top, also if nodes should form a ring.
const UPWARDS: &str = "WITH RECURSIVE up (id) AS (\
     SELECT id FROM node WHERE id = ? \
     UNION \
     SELECT node.parent FROM node JOIN up ON node.id = up.id WHERE node.parent <> '') \
     SELECT node.json, node.fact FROM node JOIN up ON node.id = up.id";

/// The same for all nodes that a server is mounted on.
const UPWARDS_OF_SERVER: &str = "WITH RECURSIVE up (id) AS (\
     SELECT node FROM mount WHERE server = ? \
     UNION \
     SELECT node.parent FROM node JOIN up ON node.id = up.id WHERE node.parent <> '') \
     SELECT node.json, node.fact FROM node JOIN up ON node.id = up.id";

const BY_PLACE: &str = "SELECT json, fact FROM node WHERE parent = ? AND name = ? ORDER BY id LIMIT 1";

const CHILDREN: &str = "SELECT json, fact FROM node WHERE parent = ? AND name >= ? AND (name > ? OR id > ?) ORDER BY name, id LIMIT ?";

const MEMBERSHIPS: &str = "SELECT json FROM membership WHERE node = ? ORDER BY id";

/// Of all children of a node: rules are few, whatever the tree's size.
const MEMBERSHIPS_OF_CHILDREN: &str =
    "SELECT membership.json FROM membership JOIN node ON membership.node = node.id WHERE node.parent = ? ORDER BY membership.id";

/// The node's ancestors and itself, the topmost first; empty when there is no such node.
pub(super) async fn chain(snapshot: &mut Snapshot, node: &NodeRef) -> Result<Vec<Placed>, ReadError> {
    match node {
        NodeRef::Id(id) => {
            let rows = snapshot.query(UPWARDS, vec![Value::text(id.to_string())]).await?;
            let nodes = by_id(&rows)?;
            if nodes.contains_key(id) { Ok(upwards(&nodes, *id)?) } else { Ok(Vec::new()) }
        }
        NodeRef::Path(path) => {
            let mut chain: Vec<Placed> = Vec::new();
            for name in path.names() {
                let parent = chain.last().map(|(node, _)| node.id.to_string()).unwrap_or_default();
                let row = snapshot.first(BY_PLACE, vec![Value::text(parent), Value::text(name.as_str())]).await?;
                let Some(row) = row else { return Ok(Vec::new()) };
                chain.push(read_node(&row)?);
            }
            Ok(chain)
        }
    }
}

pub(super) async fn node(snapshot: &mut Snapshot, node: &NodeRef) -> Result<Option<NodeView>, ReadError> {
    let mut chain = chain(snapshot, node).await?;
    let Some(node) = chain.pop() else { return Ok(None) };
    let memberships = memberships(snapshot, MEMBERSHIPS, node.0.id.to_string()).await?;
    Ok(Some(view(&chain, node, memberships)))
}

pub(super) async fn children(snapshot: &mut Snapshot, node: &NodeRef, page: &Page) -> Result<Option<Listed<NodeView>>, ReadError> {
    let is_top = matches!(node, NodeRef::Path(path) if path.is_root());
    let chain = chain(snapshot, node).await?;
    if chain.is_empty() && !is_top {
        return Ok(None);
    }
    let parent = chain.last().map(|(node, _)| node.id.to_string()).unwrap_or_default();
    let (id, name) = read_cursor(page)?;
    let limit = page.bounded();
    let values = vec![Value::text(&parent), Value::text(&name), Value::text(&name), Value::text(id), Value::Int(limit as i64 + 1)];
    let rows = snapshot.query(CHILDREN, values).await?;
    let mut children = rows.iter().map(read_node).collect::<Result<Vec<_>, _>>()?;
    let more = children.len() > limit;
    children.truncate(limit);
    let next = children.last().filter(|_| more).map(|(node, _)| write_cursor(&node.id.to_string(), node.name.as_str()));
    let mut rules: BTreeMap<NodeId, Vec<Membership>> = BTreeMap::new();
    for rule in memberships(snapshot, MEMBERSHIPS_OF_CHILDREN, parent).await? {
        rules.entry(rule.node).or_default().push(rule);
    }
    let with_rules = |child: Placed| {
        let rules = rules.remove(&child.0.id).unwrap_or_default();
        view(&chain, child, rules)
    };
    Ok(Some(Listed { items: children.into_iter().map(with_rules).collect(), next }))
}

async fn memberships(snapshot: &mut Snapshot, sql: &'static str, node: String) -> Result<Vec<Membership>, ReadError> {
    let rows = snapshot.query(sql, vec![Value::text(node)]).await?;
    let read = |row: &Row| match read(row, Kind::Membership, 0)? {
        Entity::Membership(membership) => Ok(membership),
        other => Err(misplaced(&other).into()),
    };
    rows.iter().map(read).collect()
}

/// The paths of these nodes, at least one.
pub(super) async fn paths(
    snapshot: &mut Snapshot,
    nodes: &BTreeSet<NodeId>,
) -> Result<impl Fn(NodeId) -> Result<NodePath, Fault> + use<>, ReadError> {
    let nodes = with_all_above(snapshot, nodes).await?;
    Ok(move |id| Ok(inherit::path(&upwards(&nodes, id)?)))
}

/// The same for nodes that may be gone by now: their path is `None`.
pub(super) async fn paths_if_there(
    snapshot: &mut Snapshot,
    nodes: &BTreeSet<NodeId>,
) -> Result<impl Fn(NodeId) -> Result<Option<NodePath>, Fault> + use<>, ReadError> {
    let nodes = with_all_above(snapshot, nodes).await?;
    Ok(move |id| if nodes.contains_key(&id) { Ok(Some(inherit::path(&upwards(&nodes, id)?))) } else { Ok(None) })
}

/// The statement has as many places as the next power of two: few different ones are prepared.
async fn with_all_above(snapshot: &mut Snapshot, nodes: &BTreeSet<NodeId>) -> Result<BTreeMap<NodeId, Placed>, ReadError> {
    let count = nodes.len().max(1).next_power_of_two();
    let filled = nodes.iter().copied().chain(std::iter::repeat(NodeId::MIN)).take(count);
    let rows = snapshot.query(upwards_of(count), filled.map(|id| Value::text(id.to_string())).collect()).await?;
    Ok(by_id(&rows)?)
}

fn upwards_of(count: usize) -> String {
    format!(
        "WITH RECURSIVE up (id) AS (\
         SELECT id FROM node WHERE id IN ({}) \
         UNION \
         SELECT node.parent FROM node JOIN up ON node.id = up.id WHERE node.parent <> '') \
         SELECT node.json, node.fact FROM node JOIN up ON node.id = up.id",
        vec!["?"; count].join(", ")
    )
}

/// The paths of all nodes that a server is mounted on.
pub(super) async fn paths_of_server(
    snapshot: &mut Snapshot,
    server: &str,
) -> Result<impl Fn(NodeId) -> Result<NodePath, Fault> + use<>, ReadError> {
    let rows = snapshot.query(UPWARDS_OF_SERVER, vec![Value::text(server)]).await?;
    let nodes = by_id(&rows)?;
    Ok(move |id| Ok(inherit::path(&upwards(&nodes, id)?)))
}

/// A page's cursor: id and name of the last item before. Without one: what is before everything.
pub(super) fn read_cursor(page: &Page) -> Result<(String, String), ReadError> {
    match page.cursor.as_deref().map(|cursor| cursor.split_once('.')) {
        None => Ok((String::new(), String::new())),
        Some(Some((id, name))) => Ok((id.to_owned(), name.to_owned())),
        Some(None) => Err(invalid("cursor", "is none that was given")),
    }
}

pub(super) fn write_cursor(id: &str, name: &str) -> String {
    format!("{id}.{name}")
}

/// An entity from the column that holds its JSON.
pub(super) fn read(row: &Row, kind: Kind, column: usize) -> Result<Entity, Fault> {
    let json = row.text(column)?;
    read_entity(kind, json.as_bytes()).map_err(|error| Fault::Unusable(format!("a {kind} cannot be read: {error}")))
}

pub(super) fn misplaced(entity: &Entity) -> Fault {
    Fault::Unusable(format!("`{}` lies in another kind's table", entity.key()))
}

fn read_node(row: &Row) -> Result<Placed, Fault> {
    match read(row, Kind::Node, 0)? {
        Entity::Node(node) => Ok((node, row.offset(1)?)),
        other => Err(misplaced(&other)),
    }
}

fn by_id(rows: &[Row]) -> Result<BTreeMap<NodeId, Placed>, Fault> {
    rows.iter().map(|row| read_node(row).map(|placed| (placed.0.id, placed))).collect()
}

fn upwards(nodes: &BTreeMap<NodeId, Placed>, id: NodeId) -> Result<Vec<Placed>, Fault> {
    let mut chain: Vec<Placed> = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next {
        let placed = nodes.get(&id).filter(|_| chain.len() < nodes.len());
        let (node, fact): &(Node, u64) =
            placed.ok_or_else(|| Fault::Unusable(format!("`node/{id}` hangs in the air: run `loki verify`")))?;
        next = node.parent;
        chain.push((node.clone(), *fact));
    }
    chain.reverse();
    Ok(chain)
}
