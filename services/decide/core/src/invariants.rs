//! What always holds between two commands, whatever was asked. Tests check it after every command; a running decider can count breaches.
//!
//! Each invariant has a name and looks at the entities themselves, not at the indexes that decisions trust: it must not share their mistakes.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::path::DEPTH_MAX;
use loki_domain::{Membership, Node, NodeId, Ratio, Server, ServerId, ServerState, Source};

use crate::State;

type Invariant = fn(&State) -> Vec<String>;

/// Every breach, as `<invariant>: <what breaks it>`; empty when all is well.
pub fn check(state: &State) -> Vec<String> {
    let mut breaches = Vec::new();
    let all: [(&str, Invariant); 11] = [
        ("sibling names are unique", unique_siblings),
        ("every node hangs from the top", hangs_from_the_top),
        ("server names are unique", unique_names),
        ("serial numbers are unique", unique_serials),
        ("a mount has its node and its server", mounts_refer),
        ("a membership rule has its node", rules_refer),
        ("the ratios of a node are allowed", ratios),
        ("an automatic mount has its rule", mounts_have_rules),
        ("a rule has its mounts", rules_have_mounts),
        ("the sites of domains are unique", unique_sites),
        ("a domain has its node", domains_refer),
    ];
    for (name, invariant) in all {
        breaches.extend(invariant(state).into_iter().map(|what| format!("{name}: {what}")));
    }
    breaches
}

fn unique_siblings(state: &State) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = |node: &&Node| !seen.insert((node.parent, node.name.clone()));
    state.tree().iter().filter(twice).map(|node| format!("`{}` ({})", node.name, node.id)).collect()
}

/// No orphan, no cycle, not too deep.
fn hangs_from_the_top(state: &State) -> Vec<String> {
    let parents: BTreeMap<NodeId, Option<NodeId>> = state.tree().iter().map(|node| (node.id, node.parent)).collect();
    let depth = |id: &NodeId| {
        let mut at = *id;
        for depth in 1..=DEPTH_MAX {
            match parents.get(&at)? {
                None => return Some(depth),
                Some(parent) => at = *parent,
            }
        }
        None
    };
    parents.keys().filter(|id| depth(id).is_none()).map(|id| format!("{id} does not within {DEPTH_MAX} steps")).collect()
}

fn living(state: &State) -> impl Iterator<Item = &Server> {
    state.servers().iter().filter(|server| server.state != ServerState::Retired)
}

fn unique_names(state: &State) -> Vec<String> {
    let mut seen = BTreeSet::new();
    living(state).filter(|server| !seen.insert(server.name.clone())).map(|server| format!("`{}` ({})", server.name, server.id)).collect()
}

fn unique_serials(state: &State) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let serials = living(state).filter_map(|server| server.serial.as_ref());
    serials.filter(|serial| !seen.insert((*serial).clone())).map(|serial| format!("`{serial}`")).collect()
}

fn mounts_refer(state: &State) -> Vec<String> {
    let living: BTreeSet<ServerId> = living(state).map(|server| server.id).collect();
    let lost = state.mounts().iter().filter(|mount| state.tree().get(&mount.node).is_none() || !living.contains(&mount.server));
    lost.map(|mount| format!("{} on {}", mount.server, mount.node)).collect()
}

fn rules_refer(state: &State) -> Vec<String> {
    let lost = state.memberships().iter().filter(|rule| state.tree().get(&rule.node).is_none());
    lost.map(|rule| format!("{} on {}", rule.id, rule.node)).collect()
}

fn ratios(state: &State) -> Vec<String> {
    let mut nodes: BTreeMap<NodeId, (u64, bool)> = BTreeMap::new();
    for mount in state.mounts().iter() {
        let (fixed, takes_rest) = nodes.entry(mount.node).or_default();
        *fixed += mount.ratio.map_or(0, |ratio| u64::from(ratio.ppm()));
        *takes_rest |= mount.ratio.is_none() && mount.source == Source::Manual;
    }
    for rule in state.memberships().iter().filter(|rule| !is_leaving(rule)) {
        nodes.entry(rule.node).or_default().1 = true;
    }
    let whole = u64::from(Ratio::ONE);
    let broken = nodes.into_iter().filter(|(_, (fixed, takes_rest))| *fixed != 0 && *fixed != whole && (*fixed > whole || !takes_rest));
    broken.map(|(node, (fixed, _))| format!("{node} has {fixed} parts per million")).collect()
}

fn mounts_have_rules(state: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    for mount in state.mounts().iter() {
        let Source::Membership(id) = mount.source else { continue };
        let fits = state.memberships().get(&id).zip(state.servers().get(&mount.server)).is_some_and(|(rule, server)| {
            let allowed = rule.matches(server) || rule.sweep.is_some_and(|sweep| sweep.next <= server.id);
            rule.node == mount.node && allowed && mount.ratio.is_none() && !mount.offline
        });
        if !fits {
            wrong.push(format!("{} on {} by {id}", mount.server, mount.node));
        }
    }
    wrong
}

fn rules_have_mounts(state: &State) -> Vec<String> {
    let mut missing = Vec::new();
    for rule in state.memberships().iter() {
        let done = |server: &&Server| rule.sweep.is_none_or(|sweep| server.id < sweep.next);
        for server in state.servers().iter().filter(done).filter(|server| rule.matches(server)) {
            if state.mounts().get(&rule.node, &server.id).is_none() {
                missing.push(format!("{} on {} by {}", server.id, rule.node, rule.id));
            }
        }
    }
    missing
}

fn unique_sites(state: &State) -> Vec<String> {
    let mut seen = BTreeSet::new();
    state.domains().iter().filter(|domain| !seen.insert(domain.site.clone())).map(|domain| format!("`{}`", domain.site.url())).collect()
}

fn domains_refer(state: &State) -> Vec<String> {
    let lost = state.domains().iter().filter(|domain| state.tree().get(&domain.node).is_none());
    lost.map(|domain| format!("{} on {}", domain.id, domain.node)).collect()
}

fn is_leaving(rule: &Membership) -> bool {
    rule.sweep.is_some_and(|sweep| sweep.removing)
}
