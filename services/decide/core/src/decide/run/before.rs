//! What was there before: a package may have come to a server by a run at this node, or at one above or below it.

use std::cmp::Reverse;

use loki_domain::{Direction, Job, NodeId, PackageId, PackageName, Run, RunId, RunState, ServerId, Task, TaskState};

use crate::State;

/// The last runs of a package at other nodes that began no earlier than this, and have told one of these servers.
pub(super) fn others<'s>(
    state: &'s State,
    node: NodeId,
    name: &'s PackageName,
    servers: &'s [ServerId],
    since_ms: i64,
) -> impl Iterator<Item = &'s Run> {
    let lasts = state.runs().of_package(name).filter_map(|mut runs| runs.next());
    lasts.filter(move |run| run.node != node && run.begun_ms >= since_ms && servers.iter().any(|server| has_told(state, run, *server)))
}

fn has_told(state: &State, run: &Run, server: ServerId) -> bool {
    state.runs().host(run.id, server).is_some()
}

/// The release that all go back to: what is good at this node. A later run at another node that has told all of these servers knows better, and
/// where nothing is good here, one that has told any.
pub(super) fn good(state: &State, node: NodeId, name: &PackageName, servers: &[ServerId]) -> Option<PackageId> {
    let of = |run: &Run| match &run.job {
        Job::Deploy { good, .. } => *good,
        Job::Script { .. } => None,
    };
    let own = state.runs().last_of(node, name).and_then(|run| Some((run.begun_ms, of(run)?)));
    let others = others(state, node, name, servers, own.map_or(i64::MIN, |(begun_ms, _)| begun_ms));
    let knows = |run: &Run| own.is_none() || servers.iter().all(|server| has_told(state, run, *server));
    let other = others.filter(|run| of(run).is_some() && knows(run)).max_by_key(|run| (run.begun_ms, run.id));
    other.and_then(of).or(own.map(|(_, good)| good))
}

/// Other runs of a package that may have left something on a server, the last one first: of each node those since one that all its servers
/// succeeded with, or came back from, and that one.
pub(super) fn earlier<'s>(state: &'s State, but: RunId, name: &'s PackageName) -> Vec<&'s Run> {
    let mut earlier = Vec::new();
    for runs in state.runs().of_package(name) {
        for run in runs.filter(|run| run.id != but) {
            earlier.push(run);
            if matches!(run.state, RunState::Succeeded | RunState::RolledBack) {
                break;
            }
        }
    }
    earlier.sort_by_key(|run| Reverse((run.begun_ms, run.id)));
    earlier
}

/// The release that such runs have left on a server, where that is known: the last one that told the server anything heard that it was done.
pub(super) fn left(state: &State, earlier: &[&Run], server: ServerId) -> Option<PackageId> {
    let (run, task) = last_told(state, earlier, server).filter(|(_, task)| task.state == TaskState::Succeeded)?;
    run.package_of(task.direction)
}

/// Whether such runs have left another release than this on a server, or ended before it said which.
pub(super) fn is_astray(state: &State, earlier: &[&Run], server: ServerId, from: PackageId) -> bool {
    let Some((run, task)) = last_told(state, earlier, server) else { return false };
    match (task.state, task.direction) {
        (TaskState::Succeeded, direction) => run.package_of(direction).is_some_and(|left| left != from),
        // who fails with something new has gone back by itself
        (TaskState::Failed, Direction::Forward) => false,
        _ => !matches!(run.state, RunState::Succeeded | RunState::RolledBack),
    }
}

fn last_told<'s>(state: &'s State, earlier: &[&'s Run], server: ServerId) -> Option<(&'s Run, &'s Task)> {
    earlier.iter().find_map(|run| Some((*run, state.runs().host(run.id, server)?)))
}
