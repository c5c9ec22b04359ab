//! The next step of a run, as a function of what is so now.

mod back;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use loki_domain::{Batch, Command, Direction, Entity, Job, Key, OnFailure, Run, RunState, ServerId, Task, TaskState, Timer};

use super::super::{Decision, Fact, gone, now};
use super::said;

use crate::State;
use crate::state::Tally;

/// Servers that one command changes at most: 400 facts of some 500 bytes are well within what a command may have.
pub(super) const AT_ONCE: usize = 400;
/// How much longer a server is waited for than it may take, at most, and no longer than as long again: its task has to reach it, and what it
/// says has to come back.
pub(super) const GRACE_MS: u32 = 30_000;
/// The states of a task that is under way.
const OPEN: [TaskState; 2] = [TaskState::Pending, TaskState::Running];
/// A run of more servers tells the first of them with its first follow-up.
const LARGE: u32 = 2_000;

/// A run, with what one command changes of it.
pub(super) struct Step<'s> {
    state: &'s State,
    at_ms: i64,
    pub(super) run: Run,
    hosts: BTreeMap<ServerId, Task>,
    forward: Tally,
    back: Tally,
    /// Batches that are not in the log yet, and how many of the current one are told.
    batches: Vec<Batch>,
    told: BTreeMap<u32, u32>,
    /// More is to be done than one command may.
    more: bool,
    /// The lists of its batches are enough for one command.
    holds: bool,
}

impl<'s> Step<'s> {
    pub(super) fn of(state: &'s State, run: Run, at_ms: i64) -> Self {
        let (forward, back) = (state.runs().tally(run.id, Direction::Forward), state.runs().tally(run.id, Direction::Back));
        Self {
            state,
            at_ms,
            run,
            hosts: BTreeMap::new(),
            forward,
            back,
            batches: Vec::new(),
            told: BTreeMap::new(),
            more: false,
            holds: false,
        }
    }

    /// Of a run that is only being made.
    pub(super) fn first(state: &'s State, run: Run, batches: Vec<Batch>, at_ms: i64) -> Self {
        let is_large = run.servers > LARGE;
        Self { batches, more: is_large, holds: is_large, ..Self::of(state, run, at_ms) }
    }

    /// Changes a host; what the tallies say follows.
    pub(super) fn set_task(&mut self, host: Task) {
        if let Some(before) = self.host(host.server) {
            let (direction, state) = (before.direction, before.state);
            let count = self.tally(direction).of(state);
            *count = count.saturating_sub(1);
        } else {
            *self.told.entry(host.batch).or_default() += 1;
        }
        *self.tally(host.direction).of(host.state) += 1;
        self.hosts.insert(host.server, host);
    }

    fn tally(&mut self, direction: Direction) -> &mut Tally {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Back => &mut self.back,
        }
    }

    pub(super) fn host(&self, server: ServerId) -> Option<&Task> {
        self.hosts.get(&server).or_else(|| self.state.runs().host(self.run.id, server))
    }

    /// Servers of a direction and a state as they are now, up to a number; the oldest first.
    fn in_state(&self, direction: Direction, state: TaskState, max: usize, is_meant: impl Fn(&Task) -> bool) -> Vec<Task> {
        let old = self.state.runs().in_state(self.run.id, direction, state).filter(|host| !self.hosts.contains_key(&host.server));
        let new = self.hosts.values().filter(|host| host.direction == direction && host.state == state);
        old.chain(new).filter(|host| is_meant(host)).take(max).cloned().collect()
    }

    /// Does this with each server of a direction and these states that is meant, as far as one command may. Whether some are left for a follow-up.
    fn each(
        &mut self,
        direction: Direction,
        states: &[TaskState],
        is_meant: impl Fn(&Task) -> bool,
        mut act: impl FnMut(&mut Self, Task),
    ) -> bool {
        for state in states {
            for host in self.in_state(direction, *state, self.left() + 1, &is_meant) {
                if self.left() == 0 {
                    self.more = true;
                    return true;
                }
                act(self, host);
            }
        }
        false
    }

    fn left(&self) -> usize {
        AT_ONCE.saturating_sub(self.hosts.len())
    }

    pub(super) fn bad(&self) -> u32 {
        self.forward.bad()
    }

    /// Everything that is due, and what is written.
    pub(super) fn decided(mut self) -> Decision {
        if !self.holds {
            self.advance();
        }
        let due_ms = self.due_ms();
        let run = self.run.id;
        let mut facts: Vec<Fact> = Vec::new();
        if self.state.runs().get(&run) != Some(&self.run) {
            facts.push(now(Entity::Run(Box::new(self.run))));
        }
        facts.extend(self.batches.into_iter().map(|batch| now(Entity::Batch(batch))));
        let state = self.state;
        let changed = |host: &Task| state.runs().host(run, host.server) != Some(host);
        facts.extend(self.hosts.into_values().filter(changed).map(|host| now(Entity::Task(host))));
        let timer = self.state.runs().timer(run);
        match (timer, due_ms) {
            (Some(_), None) => facts.push(gone(Key::Timer(run))),
            // one that comes too early looks again, and costs less than one that is set at every report
            (Some(timer), Some(due_ms)) if timer.due_ms <= due_ms && timer.due_ms > self.at_ms => {}
            (_, Some(due_ms)) => {
                let timer_now = Timer { run, due_ms };
                if timer != Some(timer_now) {
                    facts.push(now(Entity::Timer(timer_now)));
                }
            }
            (None, None) => {}
        }
        let follow = self.more.then_some(Command::RunStep { run });
        Decision { facts, follow }
    }

    fn advance(&mut self) {
        self.time_out();
        // each turn changes the run's state, its batch, or ends the loop
        loop {
            let goes_on = match self.run.state {
                RunState::Running => self.forwards(),
                RunState::RollingBack => self.backwards(),
                RunState::AwaitingApproval | RunState::Paused => false,
                _ => self.leave(),
            };
            if !goes_on {
                break;
            }
        }
    }

    /// Who did not say in time what became of it.
    fn time_out(&mut self) {
        let before_ms = self.at_ms - self.patience_ms();
        // mostly nobody: else each report would look at all that are open
        if self.told_ms().is_none_or(|told_ms| told_ms > before_ms) {
            return;
        }
        for direction in Direction::ALL {
            let is_late = |host: &Task| host.told_ms <= before_ms;
            if self.each(direction, &OPEN, is_late, |step, host| step.end_unknown(host, "it did not say in time what became of it")) {
                return;
            }
        }
    }

    /// How long a server is waited for.
    fn patience_ms(&self) -> i64 {
        let timeout_ms = self.run.plan.timeout_ms;
        i64::from(timeout_ms) + i64::from(timeout_ms.min(GRACE_MS))
    }

    fn end_unknown(&mut self, host: Task, why: &str) {
        // what a host has said can be long, and many end at once
        let message = match &host.message {
            Some(last) => said(&format!("{why}; the last it said: {last}")),
            None => said(why),
        };
        let state = TaskState::Unknown;
        self.set_task(Task { state, message, changed_ms: self.at_ms, signature: None, ..host });
    }

    /// Whether there may be another turn.
    fn forwards(&mut self) -> bool {
        if self.retry(Direction::Forward) {
            return false;
        }
        self.run.forgiven = self.run.forgiven.min(self.bad());
        let allowed = self.run.plan.failures.of(self.run.servers as usize);
        let bad = self.bad().saturating_sub(self.run.forgiven) as usize;
        if bad > allowed {
            let (bad, of, first) = (self.bad(), self.run.servers, self.first_bad());
            self.give_up(&format!("{bad} of {of} servers failed or did not answer, {allowed} may{first}"));
            return true;
        }
        if self.is_stalled(Direction::Forward) {
            self.give_up(&format!("no server got done within {} s", self.run.plan.progress_ms / 1_000));
            return true;
        }
        if let Some(why) = self.withdrawn()
            && self.has_untold()
        {
            self.give_up(&why);
            return true;
        }
        if let Some(next_ms) = self.run.next_ms {
            if next_ms > self.at_ms {
                return false;
            }
            self.begin_batch(self.run.batch + 1);
        }
        if self.tell_batch() || self.forward.open() > 0 {
            return false;
        }
        if self.run.batch + 1 >= self.run.batches {
            self.succeed();
            return true;
        }
        match self.run.plan.pause_ms {
            0 => {
                self.begin_batch(self.run.batch + 1);
                true
            }
            pause_ms => {
                self.run.next_ms = Some(self.at_ms + i64::from(pause_ms));
                false
            }
        }
    }

    /// What the first of those that are bad has said, with its name, as an addition.
    fn first_bad(&self) -> String {
        let bad =
            [TaskState::Failed, TaskState::Unknown].into_iter().flat_map(|state| self.in_state(Direction::Forward, state, 1, |_| true));
        let first = bad.min_by_key(|host| (host.changed_ms, host.server));
        let told = first.and_then(|host| Some((self.state.servers().get(&host.server)?, host.message?)));
        told.map(|(server, message)| format!(": `{}`: {message}", server.name)).unwrap_or_default()
    }

    /// That what the run brings was withdrawn after it began.
    fn withdrawn(&self) -> Option<String> {
        let Job::Deploy { package, .. } = &self.run.job else { return None };
        let package = self.state.packages().get(package)?;
        package.withdrawn.as_ref().map(|reason| format!("`{} {}` was withdrawn: {reason}", package.name, package.version))
    }

    /// Whether some servers were told nothing yet.
    fn has_untold(&self) -> bool {
        self.run.batch + 1 < self.run.batches || !self.untold(1).is_empty()
    }

    fn begin_batch(&mut self, batch: u32) {
        self.run.batch = batch;
        self.run.next_ms = None;
        self.run.since_ms = self.at_ms;
    }

    /// Tells the servers of the current batch that were told nothing yet. Whether some are left for a follow-up.
    fn tell_batch(&mut self) -> bool {
        let number = self.run.batch;
        for server in self.untold(self.left() + 1) {
            if self.left() == 0 {
                self.more = true;
                return true;
            }
            self.tell(server, number, 1, Direction::Forward);
        }
        false
    }

    /// So many servers of the current batch that were told nothing yet.
    fn untold(&self, max: usize) -> Vec<ServerId> {
        let (state, run, number) = (self.state, self.run.id, self.run.batch);
        let told = state.runs().told(run, number) + self.told.get(&number).copied().unwrap_or_default();
        match self.batch(number) {
            Some(batch) if (told as usize) < batch.servers.len() => {
                batch.servers.iter().filter(|server| self.host(**server).is_none()).take(max).copied().collect()
            }
            _ => Vec::new(),
        }
    }

    fn batch(&self, number: u32) -> Option<&Batch> {
        let own = self.batches.iter().find(|batch| batch.number == number);
        own.or_else(|| self.state.runs().batch(self.run.id, number))
    }

    fn tell(&mut self, server: ServerId, batch: u32, attempt: u32, direction: Direction) {
        self.set_task(Task {
            run: self.run.id,
            server,
            batch,
            attempt,
            direction,
            state: TaskState::Pending,
            step: None,
            message: None,
            told_ms: self.at_ms,
            changed_ms: self.at_ms,
            signature: None,
        });
    }

    fn tell_again(&mut self, host: &Task, direction: Direction) {
        self.tell(host.server, host.batch, host.attempt + 1, direction);
    }

    /// Tries once more what had failed when somebody asked for it. Whether some are left for a follow-up.
    fn retry(&mut self, direction: Direction) -> bool {
        let Some(again_ms) = self.run.again_ms else { return false };
        let is_meant = |host: &Task| host.changed_ms <= again_ms && host.told_ms < again_ms;
        if self.each(direction, &[TaskState::Failed, TaskState::Unknown], is_meant, |step, host| step.tell_again(&host, direction)) {
            return true;
        }
        self.run.again_ms = None;
        false
    }

    fn give_up(&mut self, why: &str) {
        self.run.why = said(why);
        self.run.again_ms = None;
        match (self.run.plan.on_failure, &self.run.job) {
            (OnFailure::Pause, _) => {
                self.run.state = RunState::Paused;
            }
            (OnFailure::RollBack, Job::Deploy { .. }) => match self.nothing_to_go_back_to() {
                Some(reason) => {
                    self.run.why = said(&format!("{reason}; {why}"));
                    self.run.state = RunState::Paused;
                }
                None => self.roll_back(false),
            },
            (OnFailure::RollBack | OnFailure::Stop, _) => self.end(RunState::Failed),
        }
    }

    /// The servers of these batches, with the batches' numbers.
    fn servers_of(&self, batches: RangeInclusive<u32>) -> impl DoubleEndedIterator<Item = (u32, ServerId)> {
        let batches = batches.filter_map(|number| self.batch(number));
        batches.flat_map(|batch| batch.servers.iter().map(|server| (batch.number, *server)))
    }

    fn succeed(&mut self) {
        if self.forward.succeeded == 0 {
            self.run.why = said("no server succeeded");
            self.end(RunState::Failed);
            return;
        }
        if let Job::Deploy { package, good, .. } = &mut self.run.job {
            *good = Some(*package);
        }
        let (bad, of) = (self.bad(), self.run.servers);
        self.run.why = (bad > 0).then(|| said(&format!("{bad} of {of} servers failed or did not answer, which may be"))).flatten();
        self.end(RunState::Succeeded);
    }

    pub(super) fn end(&mut self, state: RunState) {
        self.run.state = state;
        (self.run.next_ms, self.run.again_ms) = (None, None);
        self.run.ended_ms = Some(self.at_ms);
    }

    /// What an ended run had asked for is asked for no more. Never another turn.
    fn leave(&mut self) -> bool {
        for direction in Direction::ALL {
            if self.give_open_up(direction, "the run ended before it said what became of it") {
                break;
            }
        }
        false
    }

    /// Waits for nobody any longer. Whether some are left for a follow-up.
    fn give_open_up(&mut self, direction: Direction, why: &str) -> bool {
        self.each(direction, &OPEN, |_| true, |step, host| step.end_unknown(host, why))
    }

    /// Some are under way, and nobody got done for too long.
    fn is_stalled(&self, direction: Direction) -> bool {
        self.open(direction) > 0 && self.progress_ms() + i64::from(self.run.plan.progress_ms) <= self.at_ms
    }

    fn direction(&self) -> Direction {
        if self.run.state == RunState::RollingBack { Direction::Back } else { Direction::Forward }
    }

    fn open(&self, direction: Direction) -> u32 {
        match direction {
            Direction::Forward => self.forward.open(),
            Direction::Back => self.back.open(),
        }
    }

    /// When a server got done for the last time, or had its chance begin.
    fn progress_ms(&self) -> i64 {
        let direction = self.direction();
        let done = self.state.runs().in_state(self.run.id, direction, TaskState::Succeeded).next_back().map(|host| host.changed_ms);
        let new = self.hosts.values().filter(|host| host.direction == direction && host.state == TaskState::Succeeded);
        let new = new.map(|host| host.changed_ms).max();
        [done, new].into_iter().flatten().fold(self.run.since_ms, i64::max)
    }

    /// When the oldest of those under way was told.
    fn told_ms(&self) -> Option<i64> {
        let oldest = |direction, state| {
            let old = self.state.runs().in_state(self.run.id, direction, state).find(|host| !self.hosts.contains_key(&host.server));
            let new = self.hosts.values().filter(|host| host.direction == direction && host.state == state).map(|host| host.told_ms);
            old.map(|host| host.told_ms).into_iter().chain(new).min()
        };
        let open =
            Direction::ALL.into_iter().flat_map(|direction| [oldest(direction, TaskState::Pending), oldest(direction, TaskState::Running)]);
        open.flatten().min()
    }

    /// When it has to be looked at again, if nothing happens before.
    fn due_ms(&self) -> Option<i64> {
        let timed_out = self.told_ms().map(|told_ms| told_ms + self.patience_ms());
        let is_moving = matches!(self.run.state, RunState::Running | RunState::RollingBack);
        let stalled = (is_moving && self.open(self.direction()) > 0).then(|| self.progress_ms() + i64::from(self.run.plan.progress_ms));
        let next = self.run.next_ms.filter(|_| is_moving);
        [timed_out, stalled, next].into_iter().flatten().min()
    }
}
