//! Runs, their batches, what they have to do with each server, and their timers.
//!
//! What a run's next step asks for is kept up with every fact, so that a step costs the same in a run of ten thousand servers: how many servers
//! are in which state ([`Tally`]), which are open and since when, which was the last to get done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Batch, Direction, Job, NodeId, PackageName, Run, RunId, ServerId, Task, TaskState, Timer};

use super::table::{Hashed, Table};
use super::{put_in, take_from};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    by_id: Table<RunId, Arc<Run>>,
    /// What a run of a package does to a node, by the runs' numbers.
    by_target: BTreeMap<(NodeId, PackageName), BTreeSet<(u32, RunId)>>,
    unfinished: BTreeSet<(NodeId, RunId)>,
    batches: Table<(RunId, u32), Arc<Batch>>,
    hosts: Table<(RunId, ServerId), Arc<Task>>,
    /// By direction, state and the time at which they were told (while open) or changed.
    by_state: BTreeSet<(RunId, Direction, TaskState, i64, ServerId)>,
    /// By direction, batch and state.
    tallies: Hashed<(RunId, Direction), Tally>,
    /// Hosts of a batch that are there, whatever their state.
    told: BTreeMap<(RunId, Direction, u32), u32>,
    timers: Table<RunId, Timer>,
}

/// How many servers of a run are in which state, of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub pending: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub unknown: u32,
}

impl Tally {
    pub fn of(&mut self, state: TaskState) -> &mut u32 {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Unknown => &mut self.unknown,
        }
    }

    pub fn open(&self) -> u32 {
        self.pending + self.running
    }

    /// Those that are not known to be good.
    pub fn bad(&self) -> u32 {
        self.failed + self.unknown
    }

    pub fn all(&self) -> u32 {
        self.open() + self.succeeded + self.bad()
    }
}

/// What a host is ordered by among those of its state.
fn place(host: &Task) -> (RunId, Direction, TaskState, i64, ServerId) {
    let time = if host.state.is_open() { host.told_ms } else { host.changed_ms };
    (host.run, host.direction, host.state, time, host.server)
}

impl Runs {
    pub(super) fn put(&mut self, id: RunId, run: Option<Arc<Run>>) -> Option<Arc<Run>> {
        let after = run.clone();
        let before = self.by_id.put(id, run);
        if let Some(run) = &before {
            if let Some((target, number)) = target(run) {
                take_from(&mut self.by_target, &target, &(number, id));
            }
            self.unfinished.remove(&(run.node, id));
        }
        if let Some(run) = &after {
            if let Some((target, number)) = target(run) {
                put_in(&mut self.by_target, target, (number, id));
            }
            if !run.state.is_ended() {
                self.unfinished.insert((run.node, id));
            }
        }
        before
    }

    pub(super) fn put_batch(&mut self, run: RunId, number: u32, batch: Option<Arc<Batch>>) -> Option<Arc<Batch>> {
        self.batches.put((run, number), batch)
    }

    pub(super) fn put_timer(&mut self, run: RunId, timer: Option<Timer>) -> Option<Timer> {
        self.timers.put(run, timer)
    }

    pub(super) fn put_task(&mut self, run: RunId, server: ServerId, host: Option<Arc<Task>>) -> Option<Arc<Task>> {
        let after = host.clone();
        let before = self.hosts.put((run, server), host);
        if let Some(host) = &before {
            self.by_state.remove(&place(host));
            let key = (run, host.direction);
            if let Some(tally) = self.tallies.get_mut(&key) {
                let count = tally.of(host.state);
                *count = count.saturating_sub(1);
                if *tally == Tally::default() {
                    self.tallies.remove(&key);
                }
            }
            let of_batch = (run, host.direction, host.batch);
            if let Some(told) = self.told.get_mut(&of_batch) {
                *told -= 1;
                if *told == 0 {
                    self.told.remove(&of_batch);
                }
            }
        }
        if let Some(host) = &after {
            self.by_state.insert(place(host));
            *self.tallies.entry((run, host.direction)).or_default().of(host.state) += 1;
            *self.told.entry((run, host.direction, host.batch)).or_default() += 1;
        }
        before
    }

    pub fn get(&self, id: &RunId) -> Option<&Run> {
        self.by_id.get(id).map(|run| &**run)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.by_id.iter().map(|run| &**run)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The last run of a package at a node: the one that says what is good there.
    pub fn last_of(&self, node: NodeId, name: &PackageName) -> Option<&Run> {
        self.by_target.get(&(node, name.clone()))?.last().and_then(|(_, id)| self.get(id))
    }

    /// The runs of a package at each node, the last one first.
    pub fn of_package<'r>(&'r self, name: &'r PackageName) -> impl Iterator<Item = impl Iterator<Item = &'r Run>> {
        let of_name = self.by_target.iter().filter(move |((_, other), _)| other == name);
        of_name.map(|(_, runs)| runs.iter().rev().filter_map(|(_, id)| self.get(id)))
    }

    /// The runs of a node that have not ended, in id order.
    pub fn unfinished_of(&self, node: NodeId) -> impl Iterator<Item = &Run> {
        let ids = self.unfinished.range((node, RunId::MIN)..).take_while(move |(at, _)| *at == node);
        ids.filter_map(|(_, id)| self.get(id))
    }

    /// All that have not ended, by their nodes.
    pub fn unfinished(&self) -> impl Iterator<Item = &Run> {
        self.unfinished.iter().filter_map(|(_, id)| self.get(id))
    }

    pub fn batch(&self, run: RunId, number: u32) -> Option<&Batch> {
        self.batches.get(&(run, number)).map(|batch| &**batch)
    }

    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().map(|batch| &**batch)
    }

    pub fn host(&self, run: RunId, server: ServerId) -> Option<&Task> {
        self.hosts.get(&(run, server)).map(|host| &**host)
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Task> {
        self.hosts.iter().map(|host| &**host)
    }

    /// Those of one direction and state; the open ones by the time at which they were told, the others by when they changed.
    pub fn in_state(&self, run: RunId, direction: Direction, state: TaskState) -> impl DoubleEndedIterator<Item = &Task> {
        let (first, last) = ((run, direction, state, i64::MIN, ServerId::MIN), (run, direction, state, i64::MAX, ServerId::MAX));
        self.by_state.range(first..=last).filter_map(move |(run, _, _, _, server)| self.host(*run, *server))
    }

    pub fn tally(&self, run: RunId, direction: Direction) -> Tally {
        self.tallies.get(&(run, direction)).copied().unwrap_or_default()
    }

    /// How many servers of a batch were told something.
    pub fn told(&self, run: RunId, batch: u32) -> u32 {
        Direction::ALL.into_iter().filter_map(|direction| self.told.get(&(run, direction, batch))).sum()
    }

    /// Whether a server of this batch or a later one was told something of a direction last.
    pub fn has_told_since(&self, run: RunId, direction: Direction, batch: u32) -> bool {
        self.told.range((run, direction, batch)..=(run, direction, u32::MAX)).next().is_some()
    }

    pub fn timer(&self, run: RunId) -> Option<Timer> {
        self.timers.get(&run).copied()
    }

    pub fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.iter()
    }
}

fn target(run: &Run) -> Option<((NodeId, PackageName), u32)> {
    match &run.job {
        Job::Deploy { name, number, .. } => Some(((run.node, name.clone()), *number)),
        Job::Script { .. } => None,
    }
}
