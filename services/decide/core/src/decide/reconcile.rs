//! Makes mounts what the membership rules say, for one server on one node.
//!
//! The answer depends only on the rules, the server and the mount that is there, not on how far a sweep has come: so a server's own events and
//! a rule's sweep may interleave in any way and end in the same mounts. What is mounted by hand is never touched. Of several rules that
//! match, the one that mounted the server keeps it; when it lets go, the next one takes the mount over.

use loki_domain::{Entity, Key, Membership, Mount, NodeId, Server, Source};

use super::{Fact, gone, now};
use crate::State;

/// The change of the mount of `server` on `node`, if any; `rules` are all rules of this node that match the server, in id order.
pub(super) fn mount<'s>(state: &State, node: NodeId, server: &Server, rules: impl Iterator<Item = &'s Membership>) -> Option<Fact> {
    let existing = state.mounts().get(&node, &server.id);
    let owner = match existing.map(|mount| mount.source) {
        Some(Source::Manual) => return None,
        Some(Source::Membership(owner)) => Some(owner),
        None => None,
    };
    let mut first = None;
    for rule in rules {
        if owner == Some(rule.id) {
            return None;
        }
        first = first.or(Some(rule.id));
    }
    match (existing, first) {
        (None, None) => None,
        (Some(_), None) => Some(gone(Key::Mount(node, server.id))),
        (Some(mount), Some(rule)) => Some(now(Entity::Mount(Mount { source: Source::Membership(rule), ..*mount }))),
        (None, Some(rule)) => {
            Some(now(Entity::Mount(Mount { node, server: server.id, offline: false, ratio: None, source: Source::Membership(rule) })))
        }
    }
}

/// The changes of all mounts of a server that is new or has changed, in the order of the nodes.
pub(super) fn server(state: &State, server: &Server) -> Vec<Fact> {
    if state.memberships().is_empty() {
        return Vec::new();
    }
    let mut matching: Vec<&Membership> = state.memberships().matching(server).collect();
    matching.sort_by_key(|rule| (rule.node, rule.id));
    let mounted = state.mounts().of_server(server.id).filter(|mount| mount.source != Source::Manual).map(|mount| mount.node);
    let mut nodes: Vec<NodeId> = matching.iter().map(|rule| rule.node).chain(mounted).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
        .into_iter()
        .filter_map(|node| mount(state, node, server, matching.iter().copied().filter(move |rule| rule.node == node)))
        .collect()
}
