//! Starts a probe when its target is due, and makes points of what it found.
//!
//! Each probe is a task of its own, and there is one per target at most: whoever is slow misses turns of its own and nobody else's. How many run
//! at the same time is bounded; the others wait, and the wait is counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use loki_domain::Tags;
use loki_runtime::{Shutdown, task};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::controls::Vote;
use crate::error::Error;
use crate::means::Means;
use crate::schedule::{self, Plan};
use crate::target::Target;
use crate::targets::List;
use crate::verdict::{self, Reason, Verdict};
use crate::{metrics, points};

/// Targets that are probed when the prober starts, if there are no more than that.
const FIRST_MAX: usize = 16;
/// Their turn must be so far away: two probes within a second would contradict each other.
const FIRST_APART_MS: i64 = 5_000;

pub(crate) struct Rounds {
    every: Duration,
    list: watch::Receiver<List>,
    turn: Arc<Turn>,
    running: FuturesUnordered<AbortOnDropHandle<Done>>,
    /// Whose probes run.
    busy: HashSet<Tags>,
    /// Why targets are not available, as it was told.
    told: BTreeMap<Tags, Reason>,
}

/// What one turn of a target needs.
struct Turn {
    means: Means,
    places: Semaphore,
    /// Absent without controls.
    vote: Option<Vote>,
}

struct Done {
    target: Arc<Target>,
    verdict: Verdict,
    has_vote: bool,
}

impl Rounds {
    pub(crate) fn new(every: Duration, concurrency_max: usize, list: watch::Receiver<List>, means: Means, vote: Option<Vote>) -> Self {
        let turn = Arc::new(Turn { means, places: Semaphore::new(concurrency_max), vote });
        Self { every, list, turn, running: FuturesUnordered::new(), busy: HashSet::new(), told: BTreeMap::new() }
    }

    /// Goes on until shutdown; what runs then is broken off, and says nothing.
    ///
    /// # Errors
    /// A probe has panicked.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let mut plan = self.plan();
        let mut last = self.turn.means.clock.now_ms();
        // a few are probed at once as well, unless it is their turn soon: whoever has just started a prober sees what it finds
        let first: List = self.list.borrow().clone();
        if first.len() <= FIRST_MAX {
            let soon: HashSet<Tags> =
                plan.due(last, last + FIRST_APART_MS).probes.iter().map(|(_, target)| target.tags().clone()).collect();
            first.iter().filter(|target| !soon.contains(target.tags())).for_each(|target| self.start(last, target.clone()));
        }
        loop {
            let now = self.turn.means.clock.now_ms();
            if now < last.saturating_sub(1_000) {
                // the clock was set back: that time has no points yet, or has them twice
                last = now;
            }
            let next = plan.next(last);
            let wait = next.map_or(self.every, |next| Duration::from_millis(u64::try_from(next - now).unwrap_or(0)));
            tokio::select! {
                biased;
                () = shutdown.begun() => return Ok(()),
                Some(done) = self.running.next(), if !self.running.is_empty() => self.done(done.map_err(|_| Error::Panicked("probe"))?),
                changed = self.list.changed() => match changed {
                    Ok(()) => plan = self.plan(),
                    // who reads the list has ended, as at shutdown
                    Err(_) => return Ok(()),
                },
                () = task::sleep(wait) => {
                    // a sleep that ends a little early ends when it should have
                    let until = self.turn.means.clock.now_ms().max(next.unwrap_or(now));
                    let due = plan.due(last, until);
                    last = until;
                    metrics::missed(metrics::MISSED_LATE, due.missed);
                    for (due, target) in due.probes {
                        self.start(due, target);
                    }
                }
            }
        }
    }

    fn plan(&mut self) -> Plan {
        let list = self.list.borrow_and_update().clone();
        let listed: HashSet<&Tags> = list.iter().map(|target| target.tags()).collect();
        self.told.retain(|tags, _| listed.contains(tags));
        Plan::new(&list, self.every)
    }

    fn start(&mut self, due: i64, target: Arc<Target>) {
        if !self.busy.insert(target.tags().clone()) {
            metrics::missed(metrics::MISSED_RUNNING, 1);
            return;
        }
        let turn = self.turn.clone();
        self.running.push(AbortOnDropHandle::new(task::spawn("probe", async move { turn.run(due, target).await })));
    }

    fn done(&mut self, done: Done) {
        let Done { target, verdict, has_vote } = done;
        self.busy.remove(target.tags());
        if !has_vote {
            return;
        }
        let before = self.told.get(target.tags());
        match verdict {
            Verdict::Unavailable(reason) => {
                if before.is_none_or(|before| !before.is_like(&reason)) {
                    tracing::warn!(domain = %target, why = %reason, "not available from here");
                    self.told.insert(target.tags().clone(), reason);
                }
            }
            Verdict::Available => {
                if before.is_some() {
                    tracing::info!(domain = %target, "available from here again");
                    self.told.remove(target.tags());
                }
            }
            Verdict::NotCounted => {}
        }
    }
}

impl Turn {
    async fn run(&self, due: i64, target: Arc<Target>) -> Done {
        let Means { probe, clock, vantage, .. } = &self.means;
        let (at, moment, report) = {
            // never closed
            let _place = self.places.acquire().await;
            let started = clock.now_ms();
            metrics::started(Duration::from_millis(u64::try_from(started - due).unwrap_or(0)));
            let moment = self.vote.as_ref().map(Vote::now);
            (schedule::stamp(due, started), moment, probe.run(&target).await)
        };
        let verdict = verdict::judge(&report, target.expectation());
        let has_vote = match (&self.vote, moment, &verdict) {
            (Some(vote), Some(moment), Verdict::Unavailable(_)) => vote.since(moment).await,
            (Some(vote), _, Verdict::Available) => vote.last().await,
            _ => true,
        };
        let (result, available) = match &verdict {
            Verdict::NotCounted => (metrics::RESULT_NOT_COUNTED, None),
            _ if !has_vote => (metrics::RESULT_NO_VOTE, None),
            Verdict::Available => (metrics::RESULT_AVAILABLE, Some(true)),
            Verdict::Unavailable(_) => (metrics::RESULT_UNAVAILABLE, Some(false)),
        };
        metrics::probed(result, report.took);
        self.means.hand_over(points::of_report(&target, vantage, at, &report, available));
        Done { target, verdict, has_vote }
    }
}
