//! `GET /v1/history/undo`: the commands that would undo one command. The caller sends them; nothing is written here.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use loki_domain::{
    Command, Entity, Key, Labels, Mount, Node, NodePath, NodeRef, Patch, Position, Server, ServerRef, ServerState, Source, Stream, Weigh,
};
use loki_mysql::port::Written;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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
    /// The command that is undone.
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
    let written = app.history.written(command, at_least).await?.value;
    let written = written.ok_or_else(|| Problem::not_found(format!("no command at c{command}")))?;
    check(&written)?;
    let mut commands = Vec::new();
    // what was made last goes first
    for change in written.iter().rev() {
        let parent = parent_path(&app, change).await?;
        commands.extend(inverse(change, parent)?);
    }
    let commands = join_weighs(commands);
    if commands.is_empty() {
        return Err(cannot("what it changed follows from membership rules: undo the change of the rule or of the server"));
    }
    let steps = commands.iter().enumerate().map(|(index, command_)| Step {
        id: format!("undo-c{command}-{index}"),
        kind: command_.type_name(),
        data: serde_json::from_slice(&loki_wire::command::write(command_)).unwrap_or_default(),
    });
    Ok(Json(Undo { position: Position::command(command).to_string(), commands: steps.collect() }).into_response())
}

fn check(written: &[Written]) -> Result<()> {
    if written.is_empty() {
        return Err(cannot("it changed nothing"));
    }
    match written.iter().find_map(|change| change.changed_since.map(|since| (change.key, since))) {
        Some((key, since)) => Err(cannot(&format!("c{since} has changed `{key}` since: undo that first")).conflict(key)),
        None => Ok(()),
    }
}

fn cannot(why: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "cannot_undo", why)
}

/// The path under which a removed node has to be made again.
async fn parent_path(app: &App, change: &Written) -> Result<Option<NodePath>> {
    let (Some(Entity::Node(node)), None) = (&change.before, &change.after) else {
        return Ok(None);
    };
    let Some(parent) = node.parent else {
        return Ok(Some(NodePath::default()));
    };
    let view = app.state.node(&NodeRef::Id(parent), None).await?.value;
    view.map(|view| Some(view.path)).ok_or_else(|| cannot(&format!("the parent `node/{parent}` is gone: undo its removal first")))
}

/// The commands that put one entity back.
fn inverse(change: &Written, parent: Option<NodePath>) -> Result<Vec<Command>> {
    Ok(match (&change.before, &change.after) {
        (Some(Entity::Node(before)), Some(Entity::Node(after))) => node_back(before, after),
        (None, Some(Entity::Node(node))) => vec![Command::NodeRemove { node: NodeRef::Id(node.id) }],
        (Some(Entity::Node(node)), None) => vec![node_again(node, parent.unwrap_or_default())],
        (Some(Entity::Server(before)), Some(Entity::Server(after))) => server_back(before, after)?,
        (None, Some(Entity::Server(server))) => vec![Command::ServerRetire { server: ServerRef::Id(server.id) }],
        // mounts by a membership rule follow from the rule and the server
        (Some(Entity::Mount(mount)), None) | (None, Some(Entity::Mount(mount))) if mount.source != Source::Manual => vec![],
        (None, Some(Entity::Mount(mount))) => {
            vec![Command::ServerUnmount { server: ServerRef::Id(mount.server), node: NodeRef::Id(mount.node) }]
        }
        (Some(Entity::Mount(mount)), None) => vec![Command::ServerMount {
            server: ServerRef::Id(mount.server),
            node: NodeRef::Id(mount.node),
            offline: mount.offline,
            ratio: mount.ratio,
        }],
        (Some(Entity::Mount(before)), Some(Entity::Mount(_))) => vec![weigh(before)],
        (None, Some(Entity::Membership(rule))) => vec![Command::MembershipRemove { membership: rule.id }],
        (before, after) => match (before, after) {
            (Some(Entity::Membership(rule)), Some(_)) => vec![Command::MembershipSet {
                membership: Some(rule.id),
                node: None,
                pattern: rule.pattern.clone(),
                labels: rule.labels.clone(),
                again: None,
            }],
            (Some(Entity::Membership(rule)), None) => vec![Command::MembershipSet {
                membership: None,
                node: Some(NodeRef::Id(rule.node)),
                pattern: rule.pattern.clone(),
                labels: rule.labels.clone(),
                again: None,
            }],
            _ => return Err(cannot(&format!("`{}` cannot be put back", change.key))),
        },
    })
}

fn node_again(node: &Node, parent: NodePath) -> Command {
    let mut names = parent.names().to_vec();
    names.push(node.name.clone());
    Command::NodeCreate {
        path: NodePath::new(names),
        parents: false,
        labels: node.labels.clone(),
        contacts: node.contacts.clone(),
        defaults: node.defaults.clone(),
        again: None,
    }
}

fn node_back(before: &Node, after: &Node) -> Vec<Command> {
    let node = NodeRef::Id(before.id);
    let mut commands = Vec::new();
    if before.parent != after.parent {
        let to = before.parent.map_or(NodeRef::Path(NodePath::default()), NodeRef::Id);
        commands.push(Command::NodeMove { node: node.clone(), to });
    }
    if before.name != after.name {
        commands.push(Command::NodeRename { node: node.clone(), name: before.name.clone() });
    }
    let (labels, defaults) = (patch(&before.labels, &after.labels), patch(&before.defaults, &after.defaults));
    let contacts = (before.contacts != after.contacts).then(|| before.contacts.clone());
    if !labels.is_empty() || !defaults.is_empty() || contacts.is_some() {
        commands.push(Command::NodeSet { node, labels, contacts, defaults });
    }
    commands
}

fn server_back(before: &Server, after: &Server) -> Result<Vec<Command>> {
    if after.state == ServerState::Retired {
        return Err(cannot(&format!("`{}` is retired, and that is for ever", Key::Server(after.id))));
    }
    let server = ServerRef::Id(before.id);
    let mut commands = Vec::new();
    if before.state != after.state {
        commands.push(Command::ServerState { server: server.clone(), state: before.state });
    }
    let labels = patch(&before.labels, &after.labels);
    let update = Command::ServerUpdate {
        server,
        name: (before.name != after.name).then(|| before.name.clone()),
        serial: (before.serial != after.serial).then(|| before.serial.clone()),
        addresses: (before.addresses != after.addresses).then(|| before.addresses.clone()),
        idc: (before.idc != after.idc).then(|| before.idc.clone()),
        labels,
    };
    let same = Server { state: after.state, ..before.clone() } == *after;
    if !same {
        commands.push(update);
    }
    Ok(commands)
}

fn weigh(mount: &Mount) -> Command {
    let weigh = Weigh { server: ServerRef::Id(mount.server), offline: Some(mount.offline), ratio: Some(mount.ratio), membership: None };
    Command::ServerWeigh { node: NodeRef::Id(mount.node), mounts: vec![weigh] }
}

/// What turns `after` into `before`.
fn patch(before: &Labels, after: &Labels) -> Patch {
    let mut patch: Patch = after.iter().filter(|(key, _)| before.get(key).is_none()).map(|(key, _)| (key.to_owned(), None)).collect();
    patch.extend(
        before.iter().filter(|(key, value)| after.get(key) != Some(value)).map(|(key, value)| (key.to_owned(), Some(value.clone()))),
    );
    patch
}

/// Ratios of one node change together or break the rule on their sum on the way.
fn join_weighs(commands: Vec<Command>) -> Vec<Command> {
    let mut joined: Vec<Command> = Vec::new();
    for command in commands {
        if let (Command::ServerWeigh { node, mounts }, Some(Command::ServerWeigh { node: same, mounts: all })) =
            (&command, joined.last_mut())
            && node == same
        {
            all.extend(mounts.iter().cloned());
            continue;
        }
        joined.push(command);
    }
    joined
}

#[cfg(test)]
mod tests {
    use loki_domain::{NodeId, Ratio, ServerId};

    use super::*;

    fn node(name: &str, label: Option<&str>) -> Node {
        let labels = label.map(|value| ("role".to_owned(), value.parse().unwrap()));
        Node {
            id: NodeId::MIN,
            parent: None,
            name: name.parse().unwrap(),
            labels: Labels::new(labels).unwrap(),
            contacts: vec![],
            defaults: Labels::default(),
        }
    }

    fn written(before: Option<Entity>, after: Option<Entity>) -> Written {
        let key = before.as_ref().or(after.as_ref()).unwrap().key();
        Written { key, fact: 1, before, after, changed_since: None }
    }

    #[test]
    fn a_rename_and_a_label_go_back_together() {
        let change = written(Some(Entity::Node(node("a", Some("web")))), Some(Entity::Node(node("b", None))));
        let commands = inverse(&change, None).unwrap();
        assert_eq!(commands.iter().map(Command::type_name).collect::<Vec<_>>(), ["node.rename", "node.set"]);
    }

    #[test]
    fn a_removed_node_is_made_again_under_its_parent() {
        let change = written(Some(Entity::Node(node("a", None))), None);
        let commands = inverse(&change, Some("/acme".parse().unwrap())).unwrap();
        assert!(matches!(&commands[..], [Command::NodeCreate { path, .. }] if path.to_string() == "/acme/a"));
    }

    #[test]
    fn weighs_of_one_node_are_joined() {
        let mount = |server: u8, ppm| Mount {
            node: NodeId::MIN,
            server: ServerId::from_digest(&[server; 32]),
            offline: false,
            ratio: Some(Ratio::new(ppm).unwrap()),
            source: Source::Manual,
        };
        let changes = [(1, 0, 500_000), (2, 1_000_000, 500_000)];
        let commands = changes.map(|(s, before, after)| {
            inverse(&written(Some(Entity::Mount(mount(s, before))), Some(Entity::Mount(mount(s, after)))), None).unwrap()
        });
        let joined = join_weighs(commands.concat());
        assert!(matches!(&joined[..], [Command::ServerWeigh { mounts, .. }] if mounts.len() == 2));
    }

    #[test]
    fn what_was_changed_since_is_refused() {
        let mut change = written(Some(Entity::Node(node("a", None))), Some(Entity::Node(node("b", None))));
        assert!(check(std::slice::from_ref(&change)).is_ok());
        change.changed_since = Some(9);
        assert_eq!(check(&[change]).unwrap_err().status(), 409);
        assert_eq!(check(&[]).unwrap_err().status(), 409);
    }
}
