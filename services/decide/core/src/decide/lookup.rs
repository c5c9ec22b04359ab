//! Finds what a command names, and checks the values that more than one command sets.

use loki_domain::labels::{COUNT_MAX, check_key};
use loki_domain::{Code, Labels, Node, NodeId, NodePath, NodeRef, Patch, Rejection, Server, ServerRef, ServerState, shortened};

use crate::State;

/// How much of a path a message names: 32 names can be 8 KiB.
const PATH_BYTES_MAX: usize = 160;

/// A node that must exist.
pub(super) fn node<'s>(state: &'s State, reference: &NodeRef, field: &str) -> Result<&'s Node, Rejection> {
    node_or_top(state, reference, field)?
        .ok_or_else(|| Rejection::new(Code::Invalid, field, "`/` is the tree itself: name a node, such as `/acme`"))
}

/// A node that must exist, or `None` for `/`.
pub(super) fn node_or_top<'s>(state: &'s State, reference: &NodeRef, field: &str) -> Result<Option<&'s Node>, Rejection> {
    let found = match reference {
        NodeRef::Path(path) if path.is_root() => return Ok(None),
        NodeRef::Path(path) => state.tree().at(path).and_then(|id| state.tree().get(&id)),
        NodeRef::Id(id) => state.tree().get(id),
    };
    match found {
        Some(node) => Ok(Some(node)),
        None => Err(Rejection::new(Code::NotFound, field, format!("there is no node `{}`", written(reference)))),
    }
}

fn written(reference: &NodeRef) -> String {
    match reference {
        NodeRef::Path(path) => shown(path),
        NodeRef::Id(id) => id.to_string(),
    }
}

/// A path for a message, in which what else it says has to have its place.
pub(super) fn shown(path: &NodePath) -> String {
    shown_text(&path.to_string())
}

/// The same for any other text that may be long.
pub(super) fn shown_text(text: &str) -> String {
    shortened(text, PATH_BYTES_MAX).into_owned()
}

/// A server that must exist and may still change.
pub(super) fn server<'s>(state: &'s State, reference: &ServerRef, field: &str) -> Result<&'s Server, Rejection> {
    let (found, written) = match reference {
        ServerRef::Id(id) => (state.servers().get(id), id as &dyn std::fmt::Display),
        ServerRef::Name(name) => (state.servers().named(name), name as &dyn std::fmt::Display),
    };
    match found {
        None => Err(Rejection::new(Code::NotFound, field, format!("there is no server `{written}`"))),
        Some(server) if server.state == ServerState::Retired => {
            Err(Rejection::new(Code::Retired, field, format!("server `{}` is retired and never changes again", server.name)))
        }
        Some(server) => Ok(server),
    }
}

/// A node's path for a message.
pub(super) fn path(state: &State, node: NodeId) -> String {
    shown(&state.tree().path(node))
}

/// A map with its changes; what is wrong is named by its key.
pub(super) fn patched(map: &Labels, changes: &Patch, field: &str) -> Result<Labels, Rejection> {
    if changes.is_empty() {
        return Ok(map.clone());
    }
    for key in changes.keys() {
        check_key(key).map_err(|invalid| Rejection::new(Code::Invalid, format!("{field}.{key}"), invalid.to_string()))?;
    }
    map.patched(changes).map_err(|invalid| Rejection::new(Code::Limit, field, invalid.to_string()))
}

/// A list of at most 64 entries.
pub(super) fn counted<T: Clone>(list: &[T], field: &str) -> Result<Vec<T>, Rejection> {
    if list.len() > COUNT_MAX {
        return Err(Rejection::new(Code::Limit, field, format!("at most {COUNT_MAX} entries, these are {}", list.len())));
    }
    Ok(list.to_vec())
}

#[cfg(test)]
mod tests {
    use loki_domain::path::DEPTH_MAX;

    use super::*;

    #[test]
    fn a_message_names_a_deep_path_by_both_its_ends() {
        let path: NodePath = format!("/first{}/last", format!("/{}", "支付".repeat(10)).repeat(DEPTH_MAX - 2)).parse().unwrap();
        assert!(path.to_string().len() > 1_500);
        let message = node(&State::default(), &NodeRef::Path(path), "node").unwrap_err().message;
        assert!(message.len() < 200 && message.starts_with("there is no node `/first/") && message.ends_with("/last`"), "{message}");
    }
}
