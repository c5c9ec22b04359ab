//! What a command changed, with the steps that carried it on: `membership.set` and `membership.remove` do the first few hundred mounts
//! themselves and leave the rest to sweeps. They are one change, and are undone as one.

use std::collections::BTreeMap;

use loki_domain::{Entity, Key, Position};
use loki_mysql::port::{Page, Version, Written};

use super::cannot;
use crate::App;
use crate::problem::{Problem, Result};

/// More would be neither looked through nor put back in a while.
const CHANGES_MAX: usize = 200_000;

/// What became of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) before: Option<Entity>,
    pub(super) after: Option<Entity>,
}

/// The changes of a command, in the order in which they were made; none of these entities has changed since.
pub(super) async fn of(app: &App, command: u64, at_least: Option<Position>) -> Result<Vec<Change>> {
    let mut all = written(app, command, at_least).await?;
    for step in steps(app, command, &all).await? {
        all.extend(written(app, step, at_least).await?);
        if all.len() > CHANGES_MAX {
            return Err(cannot(&format!("it changed more than {CHANGES_MAX} entities: that is too much to be undone as one")));
        }
    }
    together(all)
}

async fn written(app: &App, command: u64, at_least: Option<Position>) -> Result<Vec<Written>> {
    let written = app.history.written(command, at_least).await?.value;
    written.ok_or_else(|| Problem::not_found(format!("no command at {}", Position::command(command))))
}

/// The sweeps by which the decider carried a command on. While a rule has work left only its own sweeps change it, so they are the versions
/// that follow.
async fn steps(app: &App, command: u64, written: &[Written]) -> Result<Vec<u64>> {
    let Some(rule) = written.iter().find(|change| matches!(change.key, Key::Membership(_))) else {
        return Ok(Vec::new());
    };
    let is_step = is_under_way(rule.before.as_ref());
    if !is_step && !is_under_way(rule.after.as_ref()) {
        return Ok(Vec::new());
    }
    let versions = versions(app, &rule.key, command).await?;
    match chain(&versions, command, is_step) {
        Chain::StepOf(first) => Err(cannot(&format!("it is a step of c{first}: undo that"))),
        Chain::Steps(steps) => Ok(steps),
        Chain::UnderWay => {
            Err(cannot(&format!("`{}` is still being swept: try again when its `sweep` is gone", rule.key)).conflict(rule.key))
        }
    }
}

/// The versions of a rule, newest first, back to before the change to which `command` belongs.
async fn versions(app: &App, key: &Key, command: u64) -> Result<Vec<Version>> {
    let mut page = Page { cursor: None, limit: Page::LIMIT_MAX };
    let mut versions = Vec::new();
    loop {
        let part = app.history.versions(key, &page, None).await?.value;
        versions.extend(part.items);
        let is_enough = versions.last().is_some_and(|last| last.command < command && !is_under_way(last.entity.as_ref()));
        if is_enough || part.next.is_none() {
            return Ok(versions);
        }
        page.cursor = part.next;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Chain {
    /// Of this command.
    StepOf(u64),
    Steps(Vec<u64>),
    UnderWay,
}

/// `versions`: newest first.
fn chain(versions: &[Version], command: u64, is_step: bool) -> Chain {
    if is_step {
        let older = versions.iter().skip_while(|version| version.command >= command);
        let first = older.take_while(|version| is_under_way(version.entity.as_ref())).last();
        return Chain::StepOf(first.map_or(command, |version| version.command));
    }
    let mut steps = Vec::new();
    let mut under_way = true;
    for version in versions.iter().rev().skip_while(|version| version.command <= command) {
        if !under_way {
            break;
        }
        steps.push(version.command);
        under_way = is_under_way(version.entity.as_ref());
    }
    if under_way { Chain::UnderWay } else { Chain::Steps(steps) }
}

fn is_under_way(entity: Option<&Entity>) -> bool {
    matches!(entity, Some(Entity::Membership(rule)) if rule.sweep.is_some())
}

/// One change an entity: a rule is written by every step. A sweep passes each server once, so a mount is written by one of them.
fn together(all: Vec<Written>) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut since: BTreeMap<Key, u64> = BTreeMap::new();
    for written in all {
        match written.changed_since {
            Some(command) => since.insert(written.key, command),
            None => since.remove(&written.key),
        };
        match places.get(&written.key) {
            Some(place) => changes[*place].after = written.after,
            None => {
                places.insert(written.key, changes.len());
                changes.push(Change { key: written.key, before: written.before, after: written.after });
            }
        }
    }
    if changes.is_empty() {
        return Err(cannot("it changed nothing"));
    }
    match changes.iter().find_map(|change| since.get(&change.key).map(|since| (change.key, since))) {
        Some((key, since)) => Err(cannot(&format!("c{since} has changed `{key}` since: undo that first")).conflict(key)),
        None => Ok(changes),
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, Membership, MembershipId, NodeId, ServerId, Sweep};

    use super::*;

    fn rule(under_way: bool) -> Entity {
        let sweep = under_way.then_some(Sweep { next: ServerId::MIN, removing: false });
        let labels = Labels::default();
        Entity::Membership(Membership { id: MembershipId::MIN, node: NodeId::MIN, pattern: "*".parse().ok(), labels, sweep })
    }

    /// Made by 3, carried on by 5 and 8; changed by 9, carried on by 11; removed by 20.
    fn versions() -> Vec<Version> {
        let version = |command, entity| Version { fact: command, command, at_ms: 0, entity };
        let under_way = [(3, true), (5, true), (8, false), (9, true), (11, false)];
        let mut versions: Vec<_> = under_way.into_iter().map(|(command, under_way)| version(command, Some(rule(under_way)))).collect();
        versions.push(version(20, None));
        versions.reverse();
        versions
    }

    #[test]
    fn steps_belong_to_the_command_that_began() {
        assert_eq!(chain(&versions(), 3, false), Chain::Steps(vec![5, 8]));
        assert_eq!(chain(&versions(), 9, false), Chain::Steps(vec![11]));
        for (step, first) in [(5, 3), (8, 3), (11, 9)] {
            assert_eq!(chain(&versions(), step, true), Chain::StepOf(first));
        }
        assert_eq!(chain(&versions()[2..], 9, false), Chain::UnderWay);
    }

    #[test]
    fn what_was_changed_since_is_refused() {
        let write = |before: Option<Entity>, after: Option<Entity>, changed_since| Written {
            key: Key::Membership(MembershipId::MIN),
            fact: 1,
            before,
            after,
            changed_since,
        };
        let first = write(None, Some(rule(true)), Some(5));
        let last = write(Some(rule(true)), Some(rule(false)), None);
        let whole = Change { key: first.key, before: None, after: Some(rule(false)) };
        assert_eq!(together(vec![first.clone(), last.clone()]).unwrap(), [whole]);
        let changed = Written { changed_since: Some(9), ..last };
        assert_eq!(together(vec![first, changed]).unwrap_err().status(), 409);
        assert_eq!(together(vec![]).unwrap_err().status(), 409);
    }
}
