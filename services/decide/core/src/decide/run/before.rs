//! What was there before: a package may have come to a server by a run at this node, or at one above or below it.

use loki_domain::{Job, NodeId, PackageId, PackageName, Run, ServerId};

use crate::State;

/// The last runs of a package at other nodes that began no earlier than this, and have told one of these servers.
pub(super) fn others<'s>(
    state: &'s State,
    node: NodeId,
    name: &'s PackageName,
    servers: &'s [ServerId],
    since_ms: i64,
) -> impl Iterator<Item = &'s Run> {
    let has_told = |run: &Run| servers.iter().any(|server| state.runs().host(run.id, *server).is_some());
    state.runs().lasts_of(name).filter(move |run| run.node != node && run.begun_ms >= since_ms && has_told(run))
}

/// The release that all go back to: what is good at this node, or else what the last run at another node has made good on one of these servers.
pub(super) fn good(state: &State, node: NodeId, name: &PackageName, servers: &[ServerId]) -> Option<PackageId> {
    let of = |run: &Run| match &run.job {
        Job::Deploy { good, .. } => *good,
        Job::Script { .. } => None,
    };
    let own = state.runs().last_of(node, name).and_then(of);
    own.or_else(|| {
        let others = others(state, node, name, servers, i64::MIN).filter(|run| of(run).is_some());
        others.max_by_key(|run| (run.begun_ms, run.id)).and_then(of)
    })
}
