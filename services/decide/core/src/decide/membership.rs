//! Membership rules: set, remove, and the sweep that makes the mounts what a changed rule says.
//!
//! A change of a rule writes the rule with its sweep and takes the first step at once; while something is left, the decider appends
//! `membership.sweep` to itself. A step goes through the servers in id order and is bounded by what it writes and by what it looks at.

use loki_domain::{Code, Command, Entity, Key, Labels, Membership, MembershipId, NodeRef, Pattern, Rejection, ServerId, Sweep};

use super::{Decided, Decision, Fact, gone, lookup, now, ratio, reconcile};
use crate::State;
use crate::identity::NewIds;

/// How many rules there are at most.
const RULES_MAX: usize = 500;
/// How many rules a node has at most.
const RULES_OF_NODE_MAX: usize = 100;
/// How many facts a step writes at most, the rule's own included.
const STEP_FACTS_MAX: usize = 400;
/// How many servers a step looks at.
const STEP_SERVERS_MAX: usize = 5_000;

/// What a server must be like.
pub(super) struct Test<'c> {
    pub pattern: &'c Option<Pattern>,
    pub labels: &'c Labels,
}

impl Test<'_> {
    fn check(&self) -> Result<(), Rejection> {
        if self.pattern.is_none() && self.labels.is_empty() {
            let message = "a rule without pattern and labels would mount every server: write `*` if that is meant";
            return Err(Rejection::new(Code::Invalid, "pattern", message));
        }
        Ok(())
    }
}

pub(super) fn create(state: &State, node: Option<&NodeRef>, test: Test<'_>, again: Option<MembershipId>, mut ids: NewIds<'_>) -> Decided {
    let Some(node) = node else {
        return Err(Rejection::new(Code::Invalid, "node", "a new rule needs the node that it mounts servers on"));
    };
    let node = lookup::node(state, node, "node")?;
    test.check()?;
    if state.memberships().len() >= RULES_MAX {
        return Err(Rejection::new(Code::Limit, "node", format!("there are at most {RULES_MAX} membership rules")));
    }
    if state.memberships().of_node(node.id).count() >= RULES_OF_NODE_MAX {
        return Err(Rejection::new(Code::Limit, "node", format!("a node has at most {RULES_OF_NODE_MAX} membership rules")));
    }
    let is_there = |id: &MembershipId| state.memberships().get(id).is_some();
    let id = match again {
        Some(id) if is_there(&id) => {
            let message = format!("membership rule `{id}` is there: change it as `membership`");
            return Err(Rejection::new(Code::AlreadyExists, "again", message).in_the_way(Key::Membership(id)));
        }
        Some(id) => id,
        None => ids.membership(is_there),
    };
    Ok(begin(state, Membership { id, node: node.id, pattern: test.pattern.clone(), labels: test.labels.clone(), sweep: None }, false))
}

pub(super) fn replace(state: &State, id: &MembershipId, node: Option<&NodeRef>, test: Test<'_>) -> Decided {
    let old = settled(state, id)?;
    if let Some(node) = node
        && lookup::node(state, node, "node")?.id != old.node
    {
        return Err(Rejection::new(Code::Invalid, "node", "a rule stays on its node: remove it and make another there"));
    }
    test.check()?;
    if old.pattern == *test.pattern && old.labels == *test.labels {
        return Ok(Decision::nothing());
    }
    Ok(begin(state, Membership { pattern: test.pattern.clone(), labels: test.labels.clone(), ..old.clone() }, false))
}

pub(super) fn remove(state: &State, id: &MembershipId) -> Decided {
    let old = settled(state, id)?;
    ratio::check_without(state, old, "membership")?;
    Ok(begin(state, old.clone(), true))
}

pub(super) fn sweep(state: &State, id: &MembershipId) -> Decided {
    match state.memberships().get(id).and_then(|rule| Some((rule, rule.sweep?))) {
        Some((rule, sweep)) => Ok(step(state, rule.clone(), sweep)),
        None => Err(Rejection::new(Code::NothingToDo, "membership", format!("membership rule `{id}` has no sweep to finish"))),
    }
}

/// A rule that exists and has no sweep under way.
fn settled<'s>(state: &'s State, id: &MembershipId) -> Result<&'s Membership, Rejection> {
    let Some(rule) = state.memberships().get(id) else {
        return Err(Rejection::new(Code::NotFound, "membership", format!("there is no membership rule `{id}`")));
    };
    if rule.sweep.is_some() {
        let message = "the last change of this rule is still being carried out: try again when its `sweep` is gone";
        return Err(Rejection::new(Code::SweepPending, "membership", message).in_the_way(Key::Membership(*id)));
    }
    Ok(rule)
}

fn begin(state: &State, rule: Membership, removing: bool) -> Decision {
    step(state, rule, Sweep { next: ServerId::MIN, removing })
}

/// One bounded step. `rule` is as it will be, which the state does not know yet when it is the first step.
fn step(state: &State, mut rule: Membership, sweep: Sweep) -> Decision {
    rule.sweep = Some(sweep);
    let others = state.memberships().of_node(rule.node).filter(|other| other.id != rule.id);
    let mut rules: Vec<&Membership> = others.chain([&rule]).collect();
    rules.sort_by_key(|rule| rule.id);
    let mut facts: Vec<Fact> = Vec::new();
    let mut next = None;
    for (looked_at, server) in state.servers().from(sweep.next).enumerate() {
        if looked_at == STEP_SERVERS_MAX || facts.len() + 1 == STEP_FACTS_MAX {
            next = Some(server.id);
            break;
        }
        let matching = rules.iter().copied().filter(|rule| rule.matches(server));
        facts.extend(reconcile::mount(state, rule.node, server, matching));
    }
    let id = rule.id;
    let (own, follow) = match next {
        Some(next) => {
            let pending = Membership { sweep: Some(Sweep { next, ..sweep }), ..rule };
            (now(Entity::Membership(pending)), Some(Command::MembershipSweep { membership: id }))
        }
        None if sweep.removing => (gone(Key::Membership(id)), None),
        None => (now(Entity::Membership(Membership { sweep: None, ..rule })), None),
    };
    // A living rule goes before the mounts that name it, one that ends leaves after them.
    let place = if own.1.is_some() { 0 } else { facts.len() };
    facts.insert(place, own);
    Decision { facts, follow }
}
