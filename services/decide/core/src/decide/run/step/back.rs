//! The way back of a run: to what was good before, batch by batch or everywhere at once.

use loki_domain::{Direction, Job, RunState, ServerId, Task, TaskState};

use super::super::{before, said};
use super::Step;

impl Step<'_> {
    /// That nothing was ever good here, and a server serves something all the same, which by itself nobody takes away.
    pub(super) fn nothing_to_go_back_to(&self) -> Option<String> {
        let Job::Deploy { name, from: None, .. } = &self.run.job else { return None };
        let earlier = before::earlier(self.state, self.run.id, name);
        let told = self.servers_of(0..=self.run.batch).filter(|(_, server)| self.host(*server).is_some());
        let mut left = told.filter_map(|(_, server)| Some((server, before::left(self.state, &earlier, server)?)));
        let (server, package) = left.next()?;
        let (server, package) = (self.state.servers().get(&server)?, self.state.packages().get(&package)?);
        let (server, version) = (&server.name, &package.version);
        Some(format!("no release was good before, and `{server}` had `{version}`: a roll back would take it away"))
    }

    /// From here on everything goes back to what was there before.
    pub(in super::super) fn roll_back(&mut self, all_at_once: bool) {
        self.run.state = RunState::RollingBack;
        (self.run.next_ms, self.run.ended_ms) = (None, None);
        // who was to go back before and did not is told once more
        self.run.again_ms = Some(self.at_ms);
        self.run.since_ms = self.at_ms;
        self.run.forgiven = 0;
        if let Job::Deploy { from, good, fast, .. } = &mut self.run.job {
            // whether or not all get there: what is gone back from is good no more
            *good = *from;
            *fast = all_at_once;
        }
    }

    /// Whether there may be another turn.
    pub(super) fn backwards(&mut self) -> bool {
        if self.retry(Direction::Back) {
            return false;
        }
        // nobody is waited for any longer, and the others still go back
        if self.is_stalled(Direction::Back) && self.give_open_up(Direction::Back, "no server got back for too long") {
            return false;
        }
        if let Some(next_ms) = self.run.next_ms {
            if next_ms > self.at_ms {
                return false;
            }
            self.begin_batch(self.run.batch.saturating_sub(1));
        }
        let is_fast = matches!(self.run.job, Job::Deploy { fast: true, .. });
        if self.tell_back(if is_fast { 0 } else { self.run.batch }) || self.back.open() > 0 {
            return false;
        }
        if is_fast || self.run.batch == 0 {
            if self.tell_strays(is_fast) {
                return false;
            }
            self.back_again();
            return true;
        }
        match self.run.plan.pause_ms {
            0 => {
                self.begin_batch(self.run.batch - 1);
                true
            }
            pause_ms => {
                self.run.next_ms = Some(self.at_ms + i64::from(pause_ms));
                false
            }
        }
    }

    /// Tells the servers of this batch and the later ones to go back. Whether some are left for a follow-up.
    fn tell_back(&mut self, from_batch: u32) -> bool {
        let is_meant = |host: &Task| host.batch >= from_batch;
        // as with those who are late: mostly nobody
        let is_any = self.state.runs().has_told_since(self.run.id, Direction::Forward, from_batch);
        if !is_any && !self.hosts.values().any(|host| host.direction == Direction::Forward && is_meant(host)) {
            return false;
        }
        self.each(Direction::Forward, &TaskState::ALL, is_meant, |step, host| step.tell_again(&host, Direction::Back))
    }

    /// Tells servers that this run has told nothing, and that an earlier one has left with another release, or one that is not known, to come to the
    /// one that all go back to: those of one batch, or all. Whether there are any.
    fn tell_strays(&mut self, all_at_once: bool) -> bool {
        let Job::Deploy { name, from: Some(from), .. } = &self.run.job else { return false };
        let earlier = before::earlier(self.state, self.run.id, name);
        let is_stray = |server| self.host(server).is_none() && before::is_astray(self.state, &earlier, server, *from);
        let mut strays: Vec<(u32, ServerId)> =
            self.servers_of(0..=self.run.batches.saturating_sub(1)).rev().filter(|(_, server)| is_stray(*server)).collect();
        let Some((last, _)) = strays.first().copied() else { return false };
        strays.retain(|(batch, _)| all_at_once || *batch == last);
        for (batch, server) in strays {
            if self.left() == 0 {
                self.more = true;
                break;
            }
            self.tell(server, batch, 1, Direction::Back);
        }
        true
    }

    /// Everybody has said, or has not, that it is back.
    fn back_again(&mut self) {
        match self.back.bad() {
            0 => self.end(RunState::RolledBack),
            bad => {
                self.run.why = said(&format!("{bad} servers are not known to be back"));
                self.end(RunState::Failed);
            }
        }
    }
}
