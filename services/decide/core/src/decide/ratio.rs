//! The ratio rule, asked wherever a mount or a membership rule changes.
//!
//! A rule that is being removed no longer counts, nor do its mounts: they will be gone without another check. So what is allowed while it is
//! being swept away is still allowed afterwards.

use loki_domain::{Code, Key, Membership, NodeId, Rejection};

use super::lookup;
use crate::State;
use crate::state::Load;

/// Whether `load` may be the load of `node`; the rejection names the node.
pub(super) fn check(state: &State, node: NodeId, load: Load, field: &str) -> Result<(), Rejection> {
    if load.is_allowed(false) || load.is_allowed(is_ruled(state, node)) {
        return Ok(());
    }
    Err(broken(state, node, load, field))
}

/// Whether the node keeps the rule without this membership.
pub(super) fn check_without(state: &State, rule: &Membership, field: &str) -> Result<(), Rejection> {
    let load = state.mounts().load(&rule.node);
    let others = state.memberships().of_node(rule.node).filter(|other| other.id != rule.id);
    if load.is_allowed(others.into_iter().any(stays)) {
        return Ok(());
    }
    Err(broken(state, rule.node, load, field))
}

fn is_ruled(state: &State, node: NodeId) -> bool {
    state.memberships().of_node(node).any(stays)
}

fn stays(rule: &Membership) -> bool {
    !rule.sweep.is_some_and(|sweep| sweep.removing)
}

fn broken(state: &State, node: NodeId, load: Load, field: &str) -> Rejection {
    let message = format!(
        "the fixed ratios at `{}` would sum to {} parts per million: make them 0 or 1000000, or less with an automatic mount beside them",
        lookup::path(state, node),
        load.fixed_ppm,
    );
    Rejection::new(Code::RatioSum, field, message).in_the_way(Key::Node(node))
}
