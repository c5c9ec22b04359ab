//! The task of one partition: looks where the store is, goes on from there, and looks again whenever the store is not where it was left.

use std::sync::Arc;

use loki_domain::LogId;
use loki_log::{Batch, Log};
use loki_runner::{Applied, Error, Gone, Hold, State, Stored};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Clock, task};

use super::config::SamplesConfig;
use super::entry::{Entry, Reason, Situation, decide};
use super::fold::{Step, fold};
use super::port::{SamplesStore, Write};
use super::window::window_from;
use crate::metrics;

/// Fills the store. Cheap to clone.
#[derive(Clone)]
pub struct Projector(Arc<Shared>);

pub(super) struct Shared {
    pub(super) log: Arc<dyn Log>,
    pub(super) store: Arc<dyn SamplesStore>,
    pub(super) config: SamplesConfig,
    clock: Clock,
}

/// Why a turn ended.
pub(super) enum Stop {
    /// The store or the log is not where it was left: look at everything again.
    Again,
    Gone,
    Fatal(Error),
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

pub(super) type Flow<T> = Result<T, Stop>;

/// Where the task is.
struct Course {
    log: LogId,
    at: u64,
    state: State,
    /// It is live from there on.
    goal: u64,
}

impl Projector {
    pub fn new(log: Arc<dyn Log>, store: Arc<dyn SamplesStore>, config: SamplesConfig, clock: Clock) -> Self {
        Self(Arc::new(Shared { log, store, config, clock }))
    }

    /// Keeps one partition of the store, until it is gone.
    pub async fn work(self, hold: Hold) -> Result<(), Error> {
        let number = hold.partition().number;
        let mut task = Task { shared: self.0, hold, number, left: None, wrong: None, again: Backoff::for_backend() };
        loop {
            match task.turn().await {
                Stop::Gone => return Ok(()),
                Stop::Fatal(error) => return Err(error),
                Stop::Again => {
                    let wait = task.again.step();
                    if task.hold.end().unless(task::sleep(wait)).await.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) hold: Hold,
    pub(super) number: u32,
    /// Where this task left the store, live.
    left: Option<u64>,
    /// What was found to be wrong, until it is filled anew: the log may look right again meanwhile.
    wrong: Option<Stored>,
    again: Backoff,
}

impl Task {
    async fn turn(&mut self) -> Stop {
        let stopped = async {
            let mut course = self.enter().await?;
            self.hold.start(course.at).await?;
            loop {
                self.follow(&mut course).await?;
            }
        };
        let stopped: Flow<std::convert::Infallible> = stopped.await;
        match stopped {
            Err(stop) => stop,
            Ok(never) => match never {},
        }
    }

    /// Where to go on.
    async fn enter(&mut self) -> Flow<Course> {
        let log = self.identity().await?;
        // the store first: a position read later than the end would look like one beyond it
        let place = self.place().await?;
        let stored = place.map(|place| place.stored);
        let bounds = self.log(|log, partition| async move { log.bounds(&partition).await }).await?;
        let window_ms = self.shared.store.shape().window_ms();
        let window = self.log(|log, partition| async move { window_from(&*log, &partition, bounds, window_ms).await }).await?;
        let floor = self.left.max(self.hold.committed());
        let situation = Situation { stored, log, bounds, floor, window_from: window };
        let entry = match decide(&situation) {
            Entry::Resume { .. } | Entry::Replay { .. } if stored.is_some() && self.wrong == stored => {
                Entry::Fill { from: window, reason: Reason::BeyondEnd }
            }
            entry => entry,
        };
        tracing::info!(projection = metrics::SAMPLES_NAME, partition = self.number, ?entry, end = bounds.end, "entering");
        let course = |at, state| Course { log, at, state, goal: bounds.end };
        Ok(match entry {
            Entry::Resume { from } => {
                self.hold.is_well();
                course(from, State::Live)
            }
            Entry::Replay { from } => {
                self.tell_filling();
                let mut course = course(from, State::Building);
                // before anything else: from here on readers get "not yet" instead of an older truth
                let here = Step { from, to: from, ..Step::default() };
                let state = course.state_at(from, false);
                self.apply(&mut course, &here, state).await?;
                course
            }
            Entry::Fill { from, reason } => {
                self.tell_filling();
                self.begin(stored, log, from, reason).await?;
                course(from, State::Building)
            }
        })
    }

    async fn begin(&mut self, stored: Option<Stored>, log: LogId, from: u64, reason: Reason) -> Flow<()> {
        if reason.is_loud() {
            self.wrong = stored;
            tracing::error!(projection = metrics::SAMPLES_NAME, partition = self.number, reason = %reason, from, "filling anew");
        }
        let seen = stored.map(|stored| (stored.log, stored.position));
        let begun = self.store(|store, partition| async move { store.begin(partition, seen, log, from).await }).await?;
        if begun == Applied::Refused {
            return Err(Stop::Again);
        }
        metrics::filled(reason.code());
        (self.left, self.wrong) = (None, None);
        Ok(())
    }

    /// Takes what comes next, or looks whether the store is still where it was left.
    async fn follow(&mut self, course: &mut Course) -> Flow<()> {
        let (check_every, identified) = (self.shared.config.check_every, Stopwatch::start());
        let mut compared = Stopwatch::start();
        // the end itself may be where it begins
        if course.state == State::Building && course.at >= course.goal {
            self.take(course, Batch { position: course.at, ..Batch::default() }).await?;
        }
        while identified.elapsed() < self.shared.config.identify_every {
            let wait = check_every.saturating_sub(compared.elapsed());
            let batch = tokio::select! {
                biased;
                batch = self.hold.next() => Some(batch?),
                () = task::sleep(wait) => None,
            };
            // each write compares
            if let Some(batch) = batch
                && self.take(course, batch).await?
            {
                compared = Stopwatch::start();
            }
            if compared.elapsed() >= check_every {
                self.compare(course).await?;
                compared = Stopwatch::start();
            }
        }
        // a log that was made again may be longer than the old one, so that no position tells
        if self.identity().await? == course.log { Ok(()) } else { Err(Stop::Again) }
    }

    /// Writes a batch; whether there was anything to be written.
    async fn take(&mut self, course: &mut Course, batch: Batch) -> Flow<bool> {
        let Batch { records, position, at_end } = batch;
        let (from, partition, shape, limits) = (course.at, self.number, self.shared.store.shape(), self.shared.config.step);
        let folded = task::spawn_blocking("fold samples", move || fold(&records, from, position, partition, shape, limits)).await;
        let folded = folded.map_err(|error| Stop::Fatal(Error::Work(error.to_string())))?;
        metrics::skipped(folded.unreadable, folded.misplaced);
        let mut written = false;
        let steps = folded.steps.len();
        for (index, step) in folded.steps.iter().enumerate() {
            let state = course.state_at(step.to, at_end && index + 1 == steps);
            if step.to > step.from || state != course.state {
                self.apply(course, step, state).await?;
                written = true;
            }
        }
        Ok(written)
    }

    /// Writes a step, until the store holds it or turns out to be somewhere else. The result of a write that failed is unknown: the position tells.
    async fn apply(&mut self, course: &mut Course, step: &Step, state: State) -> Flow<()> {
        let now_ms = self.shared.clock.now_ms();
        let ended_ms = (state == State::Live && step.to >= course.goal).then_some(now_ms);
        let write = Write { log: course.log, step, state, ended_ms };
        let mut backoff = Backoff::for_backend();
        loop {
            match self.shared.store.apply(self.number, write).await {
                Ok(Applied::Done) => break,
                Ok(Applied::Refused) => return Err(Stop::Again),
                Err(error) => self.store_fails(error, &mut backoff).await?,
            }
            match self.place().await?.map(|place| place.stored).filter(|stored| stored.log == course.log) {
                Some(stored) if stored.position == step.to && stored.state == state && step.to > step.from => break,
                Some(stored) if stored.position == step.from => {}
                _ => return Err(Stop::Again),
            }
        }
        (course.at, course.state) = (step.to, state);
        self.again.reset();
        if state == State::Live {
            self.left = Some(step.to);
            self.hold.commit(step.to);
            self.hold.is_well();
        }
        Ok(())
    }

    /// Whether the store and the log are where they were left.
    async fn compare(&mut self, course: &Course) -> Flow<()> {
        let bounds = self.log(|log, partition| async move { log.bounds(&partition).await }).await?;
        let stored = self.place().await?.map(|place| place.stored);
        if bounds.end < course.at {
            self.wrong = stored;
            return Err(Stop::Again);
        }
        let is_there = stored.is_some_and(|stored| (stored.log, stored.position, stored.state) == (course.log, course.at, course.state));
        if !is_there {
            tracing::warn!(
                projection = metrics::SAMPLES_NAME,
                partition = self.number,
                left = course.at,
                ?stored,
                "the store is not where it was left"
            );
            return Err(Stop::Again);
        }
        if course.state == State::Live {
            self.hold.is_well();
        }
        Ok(())
    }

    fn tell_filling(&self) {
        self.hold.ails(format!("partition {} is being filled", self.number));
    }
}

impl Course {
    /// What the store is once it is there; at the end it is live, wherever that was meant to be.
    fn state_at(&self, to: u64, at_end: bool) -> State {
        match self.state {
            State::Building if to < self.goal && !at_end => State::Building,
            _ => State::Live,
        }
    }
}
