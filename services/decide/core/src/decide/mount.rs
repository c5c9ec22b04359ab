//! Mounts by hand: mount, unmount, weigh. What is weighed or mounted by hand is no membership rule's any more, until it is given back.

use std::collections::HashSet;

use loki_domain::{Code, Entity, Key, MembershipId, Mount, Node, NodeRef, Ratio, Rejection, Server, ServerRef, Source, Weigh};

use super::{Decided, Decision, FACTS_MAX, gone, lookup, now, ratio};
use crate::State;

pub(super) fn mount(state: &State, server: &ServerRef, node: &NodeRef, offline: bool, share: Option<Ratio>) -> Decided {
    let server = lookup::server(state, server, "server")?;
    let node = lookup::node(state, node, "node")?;
    let old = state.mounts().get(&node.id, &server.id);
    if let Some(Mount { source: Source::Manual, .. }) = old {
        let message = format!("`{}` is already mounted on `{}`: change it with `server.weigh`", server.name, lookup::path(state, node.id));
        return Err(Rejection::new(Code::AlreadyExists, "server", message).in_the_way(Key::Mount(node.id, server.id)));
    }
    let new = Mount { node: node.id, server: server.id, offline, ratio: share, source: Source::Manual };
    let load = state.mounts().load(&node.id);
    let load = old.map_or(load, |old| load.without(old)).with(&new);
    ratio::check(state, node.id, load, "ratio")?;
    Ok(Decision::entity(Entity::Mount(new)))
}

pub(super) fn unmount(state: &State, server: &ServerRef, node: &NodeRef) -> Decided {
    let server = lookup::server(state, server, "server")?;
    let node = lookup::node(state, node, "node")?;
    let old = mounted(state, node, server, "server")?;
    if let Some(rule) = state.memberships().of_node(node.id).find(|rule| rule.matches(server)) {
        let message = format!(
            "a membership rule of `{}` mounts `{}`: change the rule or the server's labels, or weigh it to keep it by hand",
            lookup::path(state, node.id),
            server.name,
        );
        return Err(Rejection::new(Code::MountedByMembership, "server", message).in_the_way(Key::Membership(rule.id)));
    }
    ratio::check(state, node.id, state.mounts().load(&node.id).without(old), "server")?;
    Ok(Decision::facts(vec![gone(Key::Mount(node.id, server.id))]))
}

pub(super) fn weigh(state: &State, node: &NodeRef, mounts: &[Weigh]) -> Decided {
    let node = lookup::node(state, node, "node")?;
    if mounts.is_empty() {
        return Err(Rejection::new(Code::Invalid, "mounts", "name at least one server"));
    }
    if mounts.len() > FACTS_MAX {
        let message = format!("at most {FACTS_MAX} mounts at once, these are {}", mounts.len());
        return Err(Rejection::new(Code::TooLarge, "mounts", message));
    }
    let mut named = HashSet::with_capacity_and_hasher(mounts.len(), foldhash::fast::RandomState::default());
    let mut facts = Vec::with_capacity(mounts.len());
    let mut load = state.mounts().load(&node.id);
    for (index, weigh) in mounts.iter().enumerate() {
        let field = || format!("mounts[{index}].server");
        let server = lookup::server(state, &weigh.server, "").map_err(|rejection| Rejection { field: field(), ..rejection })?;
        if !named.insert(server.id) {
            return Err(Rejection::new(Code::Invalid, field(), format!("`{}` is named twice", server.name)));
        }
        let old = mounted(state, node, server, "").map_err(|rejection| Rejection { field: field(), ..rejection })?;
        let new = match weigh.membership {
            Some(rule) => given_back(state, old, server, rule, weigh)
                .map_err(|rejection| Rejection { field: format!("mounts[{index}].{}", rejection.field), ..rejection })?,
            None => Mount {
                offline: weigh.offline.unwrap_or(old.offline),
                ratio: weigh.ratio.unwrap_or(old.ratio),
                source: Source::Manual,
                ..*old
            },
        };
        if new != *old {
            load = load.without(old).with(&new);
            facts.push(now(Entity::Mount(new)));
        }
    }
    if load != state.mounts().load(&node.id) {
        ratio::check(state, node.id, load, "mounts")?;
    }
    Ok(Decision::facts(facts))
}

/// The mount as the rule would have made it. Only a rule that asks for it may have it: any other would leave it at its next step.
fn given_back(state: &State, old: &Mount, server: &Server, rule: MembershipId, weigh: &Weigh) -> Result<Mount, Rejection> {
    let Some(found) = state.memberships().get(&rule) else {
        return Err(Rejection::new(Code::NotFound, "membership", format!("there is no membership rule `{rule}`")));
    };
    if found.node != old.node || !found.matches(server) {
        let message = format!("membership rule `{rule}` does not mount `{}` on `{}`", server.name, lookup::path(state, old.node));
        return Err(Rejection::new(Code::Invalid, "membership", message).in_the_way(Key::Membership(rule)));
    }
    if let Some(field) = weigh.offline.map(|_| "offline").or(weigh.ratio.map(|_| "ratio")) {
        return Err(Rejection::new(Code::Invalid, field, "what is given back to a rule is online and automatic: leave it out"));
    }
    Ok(Mount { node: old.node, server: old.server, offline: false, ratio: None, source: Source::Membership(rule) })
}

fn mounted<'s>(state: &'s State, node: &Node, server: &Server, field: &str) -> Result<&'s Mount, Rejection> {
    state.mounts().get(&node.id, &server.id).ok_or_else(|| {
        let message = format!("`{}` is not mounted on `{}`", server.name, lookup::path(state, node.id));
        Rejection::new(Code::NotFound, field, message)
    })
}
