//! Changes as the script takes them: a letter, large for a new state and small for a removal, and its fields. Kinds that no answer
//! shows are kept by their whole key, for dumps.

use loki_domain::{Entity, Key, Node};
use loki_wire::Change;
use redis::ScriptInvocation;

/// Adds a change to a call.
pub(super) fn write(call: &mut ScriptInvocation<'_>, change: &Change) {
    match change {
        Change::Log(_) => {}
        Change::Set(entity) => {
            let json = loki_wire::fact::v1::write_entity(entity);
            match entity {
                Entity::Node(node) => call.arg("N").arg(node.id.to_string()).arg(edge(node)).arg(json),
                Entity::Server(server) => call.arg("S").arg(server.id.to_string()).arg(json),
                Entity::Mount(mount) => call.arg("M").arg(mount.node.to_string()).arg(mount.server.to_string()).arg(json),
                other => call.arg("X").arg(other.key().to_string()).arg(json),
            };
        }
        Change::Removed(key) => {
            match key {
                Key::Node(id) => call.arg("n").arg(id.to_string()),
                Key::Server(id) => call.arg("s").arg(id.to_string()),
                Key::Mount(node, server) => call.arg("m").arg(node.to_string()).arg(server.to_string()),
                other => call.arg("x").arg(other.to_string()),
            };
        }
    }
}

/// Where a node hangs: its parent's id, empty at the top, and its name.
fn edge(node: &Node) -> String {
    let parent = node.parent.map(|parent| parent.to_string()).unwrap_or_default();
    format!("{parent}/{}", node.name)
}
