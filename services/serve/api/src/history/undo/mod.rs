//! `GET /v1/history/undo`: the commands that would undo one command. The caller sends them; nothing is written here.
//!
//! Undoing puts back exactly what the command changed, and is refused when that cannot be: then something else has changed since, or would
//! be changed with it. `changes` gathers what the command did, `entities` and `mounts` make the commands.

mod changes;
mod entities;
mod mounts;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use loki_domain::{Domain, Entity, Key, Kind, Node, NodePath, NodeRef, Position, Stream};
use loki_mysql::port::{DomainFilter, Moment, Page};
use loki_zookeeper::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::changes::Change;
use self::mounts::World;
use super::moment;
use crate::App;
use crate::extract::Query;
use crate::problem::{Problem, Result};
use crate::{read, wait};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The command to undo, `c17`.
    position: String,
    /// A command's position that the history must have passed, `c17`.
    after: Option<String>,
}

/// What to send.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Undo {
    /// The command that is undone, with the sweeps that carried it on.
    position: String,
    /// To be sent in this order, each after the one before was accepted.
    #[schema(value_type = Vec<Object>)]
    commands: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    data: serde_json::Value,
}

/// The commands that would undo one command: 409 when something has changed the same entities since, or when it cannot be undone.
#[utoipa::path(
    get, path = "/v1/history/undo", tag = "history", params(Parameters),
    responses((status = 200, description = "The commands", body = Undo), (status = 404, description = "No such command", body = Problem),
        (status = 409, description = "It cannot be undone: the reason", body = Problem), (status = 503, description = "Not ready", body = Problem))
)]
pub(crate) async fn plan_undo(State(app): State<App>, Query(parameters): Query<Parameters>, headers: HeaderMap) -> Result<Response> {
    let command = wait::position("position", &parameters.position, Stream::Command)?;
    let at_least = read::history_after(&app, parameters.after.as_deref(), &headers).await?;
    // a history that lags would not show what has changed the same entities since
    moment::up_to_now(&app).await?;
    let changes = changes::of(&app, command, at_least).await?;
    let mut commands = Vec::new();
    // what was made last goes first
    for change in changes.iter().rev() {
        check_empty(&app, change, &changes).await?;
        check_node(&app, change).await?;
        let parent = parent_path(&app, change).await?;
        commands.extend(entities::back(change, parent)?);
    }
    commands.extend(mounts::back(&changes, &world(&app, &changes).await?)?);
    if commands.is_empty() {
        return Err(cannot("no command puts back what it changed"));
    }
    let steps = commands.iter().enumerate().map(|(index, command_)| Step {
        id: format!("undo-c{command}-{index}"),
        kind: command_.type_name(),
        data: serde_json::from_slice(&loki_wire::command::write(command_)).unwrap_or_default(),
    });
    Ok(Json(Undo { position: Position::command(command).to_string(), commands: steps.collect() }).into_response())
}

fn cannot(why: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "cannot_undo", why)
}

/// A node that was made is removed only if nothing else is on it by now: found out here, before a part of the commands is carried out.
async fn check_empty(app: &App, change: &Change, changes: &[Change]) -> Result<()> {
    let (None, Some(Entity::Node(node))) = (&change.before, &change.after) else {
        return Ok(());
    };
    let ours: BTreeSet<String> = changes.iter().map(|change| change.key.id()).collect();
    let rules = app.state.node(&NodeRef::Id(node.id), None).await?.value.map(|view| view.memberships).unwrap_or_default();
    let branch = match app.tree.tree(&NodeRef::Id(node.id), 1) {
        Err(Refusal::TooLarge { .. }) => return Err(in_use(change, "many nodes are under it")),
        branch => branch?.value,
    };
    let child = branch.iter().flat_map(|branch| &branch.children).filter_map(|child| child.id.as_ref()).find(|id| !ours.contains(*id));
    let what = match (child, rules.first(), branch.as_ref().map(|branch| branch.servers)) {
        (Some(child), ..) => format!("`node/{child}` is under it"),
        (None, Some(rule), _) => format!("`{}` is on it", Key::Membership(rule.id)),
        (None, None, Some(1..)) => "servers are mounted on it".to_owned(),
        (None, None, Some(0) | None) => match domain_of(app, node).await? {
            Some(domain) => format!("`{domain}` is on it"),
            None => return Ok(()),
        },
    };
    Err(in_use(change, &what))
}

/// One of the domains of a node.
async fn domain_of(app: &App, node: &Node) -> Result<Option<Key>> {
    let filter = DomainFilter { node: Some(NodeRef::Id(node.id)), recursive: false };
    let part = app.domains.domains(&filter, &Page::first(1), None).await?.value;
    Ok(part.and_then(|part| part.items.first().map(|view| Key::Domain(view.domain.id))))
}

/// A domain goes back to the node that it was on, which has to be there.
async fn check_node(app: &App, change: &Change) -> Result<()> {
    let Some(Entity::Domain(Domain { node, .. })) = &change.before else {
        return Ok(());
    };
    match app.state.node(&NodeRef::Id(*node), None).await?.value {
        Some(_) => Ok(()),
        None => {
            Err(cannot(&format!("`{}` was on `node/{node}`, which is gone: undo its removal first", change.key)).conflict(Key::Node(*node)))
        }
    }
}

fn in_use(change: &Change, what: &str) -> Problem {
    cannot(&format!("`{}` is in use since, {what}: undo that first", change.key)).conflict(change.key)
}

/// The path under which a removed node has to be made again.
async fn parent_path(app: &App, change: &Change) -> Result<Option<NodePath>> {
    let (Some(Entity::Node(Node { parent, .. })), None) = (&change.before, &change.after) else {
        return Ok(None);
    };
    let Some(parent) = *parent else {
        return Ok(Some(NodePath::default()));
    };
    let view = app.state.node(&NodeRef::Id(parent), None).await?.value;
    view.map(|view| Some(view.path)).ok_or_else(|| cannot(&format!("the parent `node/{parent}` is gone: undo its removal first")))
}

/// What decides about the changed mounts, from the same history as the changes.
async fn world(app: &App, changes: &[Change]) -> Result<World> {
    let servers: BTreeSet<Key> =
        changes.iter().filter_map(|change| if let Key::Mount(_, server) = change.key { Some(Key::Server(server)) } else { None }).collect();
    if servers.is_empty() {
        return Ok(World::after(changes, [], []));
    }
    let servers: Vec<Key> = servers.into_iter().collect();
    let servers = app.history.current(&servers, None).await?.value;
    let rules = app.history.state_at(&[Kind::Membership], Moment::Time(i64::MAX), None).await?.value;
    let rules = rules.entities.into_iter().filter_map(|entity| if let Entity::Membership(rule) = entity { Some(rule) } else { None });
    let servers = servers.into_values().filter_map(|entity| if let Entity::Server(server) = entity { Some(server) } else { None });
    Ok(World::after(changes, rules, servers))
}
