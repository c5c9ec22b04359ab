//! Whether this vantage has a vote: whether what it takes for always available is available from here.
//!
//! A vantage that loses its line sees every domain down. Hence a target that is not available is believed only after a round of controls that
//! began later than its probe: the line was there then. Rounds that are asked for so keep a distance, and one answers for all who wait.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use loki_client::Part;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};
use tokio::sync::{Notify, watch};

use crate::means::Means;
use crate::schedule;
use crate::target::Target;
use crate::verdict::{self, Verdict};
use crate::{metrics, points};

/// Rounds in one period, at most.
const ROUNDS_MAX: u32 = 12;
/// The least distance of two rounds; their points are dated by seconds.
const GAP_MIN: Duration = Duration::from_secs(1);

pub(crate) struct Controls {
    targets: Vec<Target>,
    means: Means,
    every: Duration,
    rounds: watch::Sender<Option<Round>>,
    asked: Arc<Notify>,
    epoch: Stopwatch,
    part: Part,
}

/// What the last round said.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Since the epoch.
    began: Duration,
    has_vote: bool,
}

/// The way to ask. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vote {
    rounds: watch::Receiver<Option<Round>>,
    asked: Arc<Notify>,
    epoch: Stopwatch,
}

impl Controls {
    pub(crate) fn new(targets: Vec<Target>, every: Duration, means: Means, part: Part) -> Self {
        Self { targets, means, every, rounds: watch::channel(None).0, asked: Arc::default(), epoch: Stopwatch::start(), part }
    }

    pub(crate) fn vote(&self) -> Vote {
        Vote { rounds: self.rounds.subscribe(), asked: self.asked.clone(), epoch: self.epoch }
    }

    /// Goes on until shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let gap = (self.every / ROUNDS_MAX).max(GAP_MIN);
        loop {
            let Some(()) = shutdown.unless(self.round()).await else { return };
            let now = self.means.clock.now_ms();
            let regular = Duration::from_millis((schedule::next_full(now, self.every) - now).unsigned_abs());
            let next = async {
                task::sleep(gap).await;
                tokio::select! {
                    () = self.asked.notified() => {}
                    () = task::sleep(regular.saturating_sub(gap)) => {}
                }
            };
            if shutdown.unless(next).await.is_none() {
                return;
            }
        }
    }

    async fn round(&mut self) {
        let (began, now) = (self.epoch.elapsed(), self.means.clock.now_ms());
        let reports = join_all(self.targets.iter().map(|target| self.means.probe.run(target))).await;
        let mut failed = Vec::new();
        for (target, report) in self.targets.iter().zip(&reports) {
            match verdict::judge(report, target.expectation()) {
                Verdict::Available => {}
                Verdict::Unavailable(reason) => failed.push(format!("{target}: {reason}")),
                Verdict::NotCounted => failed.push(format!("{target}: {}", report.status.unwrap_or_default())),
            }
        }
        let has_vote = has_vote(failed.len(), self.targets.len());
        metrics::vantage_ok(has_vote);
        if has_vote {
            self.part.ready();
        } else {
            self.part.not_ready(format!("this vantage says nothing of availability while its controls fail: {}", failed.join("; ")));
        }
        let sample = points::of_vantage(&self.means.vantage, schedule::stamp(now, now), has_vote);
        self.means.hand_over(sample.map(|sample| vec![sample]));
        self.rounds.send_replace(Some(Round { began, has_vote }));
    }
}

impl Vote {
    /// A moment to ask about.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// What the last round said; waits for the first.
    pub(crate) async fn last(&self) -> bool {
        self.since(Duration::ZERO).await
    }

    /// What a round said that began after a moment; waits for one.
    pub(crate) async fn since(&self, moment: Duration) -> bool {
        let mut rounds = self.rounds.clone();
        let is_later = |round: &Option<Round>| round.is_some_and(|round| round.began >= moment);
        if !is_later(&rounds.borrow()) {
            self.asked.notify_one();
        }
        // nobody is left to ask only at shutdown
        rounds.wait_for(is_later).await.is_ok_and(|round| round.is_some_and(|round| round.has_vote))
    }
}

/// At least half of them: one that is down itself does not silence the vantage, unless it is the only one.
fn has_vote(failed: usize, controls: usize) -> bool {
    2 * failed <= controls && failed < controls.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_controls_are_enough() {
        for (failed, controls, vote) in
            [(0, 0, true), (0, 1, true), (1, 1, false), (1, 2, true), (2, 2, false), (1, 3, true), (2, 3, false), (2, 4, true)]
        {
            assert_eq!(has_vote(failed, controls), vote, "{failed} of {controls}");
        }
    }

    #[tokio::test]
    async fn only_a_later_round_counts() {
        let rounds = watch::Sender::new(None);
        let vote = Vote { rounds: rounds.subscribe(), asked: Arc::default(), epoch: Stopwatch::start() };
        let round = |ms, has_vote| Some(Round { began: Duration::from_millis(ms), has_vote });
        rounds.send_replace(round(10, true));
        assert!(vote.last().await && vote.since(Duration::from_millis(10)).await);
        let asking = vote.clone();
        let waiting = task::spawn("asking", async move { asking.since(Duration::from_millis(11)).await });
        // it asks, and an answer from before is none
        vote.asked.notified().await;
        rounds.send_replace(round(10, true));
        rounds.send_replace(round(12, false));
        assert!(!waiting.await.unwrap());
        drop(rounds);
        assert!(!vote.since(Duration::from_millis(13)).await);
    }
}
