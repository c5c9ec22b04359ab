//! Puts the points of all partitions, in batches of a thousand, several at once; what is to be sent again goes into the next one.
//!
//! Of what waits, the points of one series are put side by side: they lie side by side in HBase, and two batches on their way seldom have a row in
//! common. Bare puts of a backlog in this order were a fifth faster than in that of the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loki_domain::Sample;
use loki_runtime::clock::Stopwatch;
use loki_runtime::process::belonging;
use loki_runtime::{Backoff, Shutdown, task};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::history::Place;
use super::trouble::Trouble;
use super::{Answers, Home, Stored, Ticket, Told};
use crate::config::SinkConfig;
use crate::error::{Error, StoreError};
use crate::metrics;
use crate::port::{Refused, SeriesStore, Why};

/// A point that fails so often is set aside, and no reason any more to hold others up: one of them may be all that is read before the store counts as
/// away. It counts when others of its batch were stored, or when it was this point that failed.
const TRIES_MAX: u32 = 5;

/// A point to be put.
#[derive(Debug)]
pub(crate) struct Put {
    sample: Sample,
    from: From,
}

/// Whose it is, and how often it failed.
#[derive(Debug)]
struct From {
    ticket: Ticket,
    place: Place,
    home: Home,
    tries: u32,
}

impl Put {
    pub(super) fn new(sample: Sample, ticket: Ticket, place: Place, home: Home) -> Self {
        Self { sample, from: From { ticket, place, home, tries: 0 } }
    }
}

pub(crate) struct Writer {
    store: Arc<dyn SeriesStore>,
    config: SinkConfig,
    trouble: Trouble,
    incoming: mpsc::UnboundedReceiver<Put>,
    /// Taken since the queue was filled, in the order in which they came.
    fresh: Vec<Put>,
    /// Those of one series side by side; those to be sent again are in front.
    queue: VecDeque<Put>,
    /// Since when something waits.
    since: Stopwatch,
    flying: JoinSet<Landed>,
    /// Set aside, and since when. They are tried again now and then.
    stuck: Vec<Put>,
    stuck_since: Stopwatch,
    backoff: Backoff,
    /// The store counts as away since then, and rests for that long before it is tried again.
    away: Option<(Stopwatch, Duration)>,
}

/// A batch and its answer.
struct Landed {
    samples: Vec<Sample>,
    from: Vec<From>,
    answer: Result<Vec<Refused>, StoreError>,
}

impl Writer {
    pub(crate) fn new(store: Arc<dyn SeriesStore>, config: SinkConfig, trouble: Trouble, incoming: mpsc::UnboundedReceiver<Put>) -> Self {
        Self {
            store,
            backoff: Backoff::new(config.backoff.0, config.backoff.1),
            config,
            trouble,
            incoming,
            fresh: Vec::new(),
            queue: VecDeque::new(),
            since: Stopwatch::start(),
            flying: JoinSet::new(),
            stuck: Vec::new(),
            stuck_since: Stopwatch::start(),
            away: None,
        }
    }

    /// Until `stop` begins, or nobody can send anything any more.
    pub(crate) async fn run(mut self, stop: Shutdown) -> Result<(), Error> {
        let mut is_open = true;
        while is_open || self.waiting() > 0 || !self.flying.is_empty() || !self.stuck.is_empty() {
            self.launch();
            let wait = self.wait();
            tokio::select! {
                biased;
                () = stop.begun() => return Ok(()),
                Some(landed) = self.flying.join_next() => {
                    self.land(landed.map_err(|error| Error::Invalid(format!("the task that puts points failed: {error}")))?);
                }
                number = self.incoming.recv_many(&mut self.fresh, self.config.batch_points), if is_open => {
                    is_open = number > 0;
                    if self.waiting() == number {
                        self.since = Stopwatch::start();
                    }
                }
                () = task::sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// Sends as many batches as may be on their way. While the store is away it is one at a time, after a rest.
    fn launch(&mut self) {
        if self.stuck_since.elapsed() >= self.config.backoff.1 {
            self.stuck_since = Stopwatch::start();
            self.queue.extend(self.stuck.drain(..));
        }
        while self.waiting() > 0 {
            let may_fly = match &self.away {
                Some((since, rest)) => self.flying.is_empty() && since.elapsed() >= *rest,
                None => self.flying.len() < self.config.in_flight,
            };
            let is_due = self.waiting() >= self.config.batch_points || self.since.elapsed() >= self.config.batch_wait;
            if !may_fly || !is_due {
                return;
            }
            if self.queue.len() < self.config.batch_points {
                self.fresh.sort_by_cached_key(|put| (put.from.home.number, put.from.place));
                self.queue.extend(self.fresh.drain(..));
            }
            let number = self.queue.len().min(self.config.batch_points);
            let (samples, from) = self.queue.drain(..number).map(|put| (put.sample, put.from)).unzip();
            self.since = Stopwatch::start();
            let (store, limit) = (self.store.clone(), self.config.put_timeout);
            self.flying.spawn(belonging(put(store, samples, from, limit)));
        }
    }

    /// Points that are not on their way.
    fn waiting(&self) -> usize {
        self.fresh.len() + self.queue.len()
    }

    /// Until when nothing has to be looked at again.
    fn wait(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(60);
        let is_batch = self.waiting() >= self.config.batch_points;
        let due = if is_batch { Duration::ZERO } else { self.config.batch_wait.saturating_sub(self.since.elapsed()) };
        let queued = match &self.away {
            _ if self.waiting() == 0 => LONG,
            Some((since, rest)) if self.flying.is_empty() => rest.saturating_sub(since.elapsed()).max(due),
            None if self.flying.len() < self.config.in_flight => due,
            _ => LONG,
        };
        let stuck = if self.stuck.is_empty() { LONG } else { self.config.backoff.1.saturating_sub(self.stuck_since.elapsed()) };
        queued.min(stuck)
    }

    fn land(&mut self, landed: Landed) {
        let Landed { samples, from, answer } = landed;
        let points = samples.len();
        let (mut whys, failed) = match answer {
            Ok(refused) => (by_index(refused, points), None),
            Err(error) => {
                metrics::again("away", points as u64);
                ((0..points).map(|_| Some(Why::TimedOut)).collect(), Some(error.to_string()))
            }
        };
        let are_some_stored = whys.iter().any(Option::is_none);
        let (mut stored, mut again, mut counts) = (Answers::new(), Vec::new(), Again::default());
        for ((sample, mut from), why) in samples.into_iter().zip(from).zip(whys.drain(..)) {
            match why {
                None => stored.push(from.home, Stored { ticket: from.ticket, place: from.place, at: sample.at }),
                Some(Why::Invalid(why)) => from.home.tell(Told::Refused { ticket: from.ticket, sample, why }),
                Some(why) => {
                    counts.add(&why);
                    from.tries += u32::from(are_some_stored || matches!(why, Why::Storage(_)));
                    if from.tries > TRIES_MAX {
                        self.set_aside(Put { sample, from }, &why);
                    } else {
                        again.push(Put { sample, from });
                    }
                }
            }
        }
        stored.tell(Told::Stored);
        if failed.is_none() {
            counts.count();
        }
        if self.stuck.is_empty() {
            self.trouble.stuck(None);
        }
        let sent_again = again.len();
        for put in again.into_iter().rev() {
            self.queue.push_front(put);
        }
        if is_away(sent_again, points) {
            let why = failed.unwrap_or_else(|| format!("of {points} points {sent_again} were not stored: {counts}"));
            self.away = Some((Stopwatch::start(), self.backoff.step()));
            self.trouble.put(Some(why));
        } else if self.away.take().is_some() || sent_again == 0 {
            if are_some_stored {
                self.backoff.reset();
            }
            self.trouble.put(None);
        }
    }

    /// It stays unfinished, so that nothing behind it is committed, and is tried again.
    fn set_aside(&mut self, put: Put, why: &Why) {
        let Sample { series, at, .. } = &put.sample;
        self.trouble.stuck(Some(format!("the store does not take `{series}` at {at}: {why:?}")));
        if self.stuck.is_empty() {
            self.stuck_since = Stopwatch::start();
        }
        self.stuck.push(put);
    }
}

/// More than one in twenty: the store as a whole has too much to do.
fn is_away(again: usize, points: usize) -> bool {
    again * 20 > points
}

/// Why each point was not stored. An index beyond the batch is of no point.
fn by_index(refused: Vec<Refused>, points: usize) -> Vec<Option<Why>> {
    let mut whys: Vec<Option<Why>> = (0..points).map(|_| None).collect();
    for Refused { index, why } in refused {
        if let Some(place) = whys.get_mut(index) {
            *place = Some(why);
        }
    }
    whys
}

async fn put(store: Arc<dyn SeriesStore>, samples: Vec<Sample>, from: Vec<From>, limit: Duration) -> Landed {
    let watch = Stopwatch::start();
    let answer = match task::timeout(limit, store.put(&samples)).await {
        Some(answer) => answer,
        None => Err(StoreError::Away(format!("no answer within {} s", limit.as_secs()))),
    };
    metrics::put(samples.len(), watch.elapsed());
    Landed { samples, from, answer }
}

/// Points to be sent again, by why.
#[derive(Debug, Default)]
struct Again {
    throttled: u64,
    timed_out: u64,
    storage: u64,
    /// What the store said of one of them.
    said: Option<String>,
}

impl Again {
    fn add(&mut self, why: &Why) {
        match why {
            Why::Throttled => self.throttled += 1,
            Why::TimedOut => self.timed_out += 1,
            Why::Storage(said) => {
                self.storage += 1;
                self.said.get_or_insert_with(|| said.clone());
            }
            Why::Invalid(_) => {}
        }
    }

    fn count(&self) {
        for (why, points) in [("throttled", self.throttled), ("timed_out", self.timed_out), ("storage", self.storage)] {
            if points > 0 {
                metrics::again(why, points);
            }
        }
    }
}

impl std::fmt::Display for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} throttled, {} timed out, {} failed", self.throttled, self.timed_out, self.storage)?;
        match &self.said {
            Some(said) => write!(f, " ({said})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::series::Tags;
    use loki_domain::{Instant, Series, Value};

    use super::*;
    use crate::port::{Found, Newest};

    #[test]
    fn more_than_one_in_twenty_means_away() {
        let tried = [(0, 0), (0, 1_000), (50, 1_000), (51, 1_000), (1, 20), (1, 19), (1, 1)];
        assert_eq!(tried.map(|(again, points)| is_away(again, points)), [false, false, false, true, false, true, true]);
    }

    /// Waits for as long as it likes.
    struct Silent;

    #[async_trait::async_trait]
    impl SeriesStore for Silent {
        async fn put(&self, _: &[Sample]) -> Result<Vec<Refused>, StoreError> {
            std::future::pending().await
        }

        async fn find(&self, _: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
            std::future::pending().await
        }

        async fn newest(&self, _: &[Series]) -> Result<Vec<Newest>, StoreError> {
            std::future::pending().await
        }
    }

    fn some_put() -> Put {
        let series = Series::new("m".parse().unwrap(), Tags::new([("host", "a")]).unwrap());
        let sample = Sample { series, at: Instant::new(1_700_000_000).unwrap(), value: Value::new(1.0).unwrap() };
        let home = Home { number: 0, told: Arc::new(mpsc::unbounded_channel().0) };
        Put::new(sample, Ticket { offset: 0, index: 0 }, Place::default(), home)
    }

    /// Each round either sends something or says how long there is nothing to do: else the loop would turn on the spot.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_yet_is_waited_for() {
        let config = SinkConfig::new("samples", "dead", "group", 1);
        let rests = [None, Some(Duration::ZERO), Some(config.batch_wait / 2), Some(config.batch_wait * 2)];
        for (rest, waits) in rests.into_iter().flat_map(|rest| [1, config.batch_points - 1, config.batch_points].map(|waits| (rest, waits)))
        {
            let mut writer = Writer::new(Arc::new(Silent), config.clone(), Trouble::default(), mpsc::unbounded_channel().1);
            writer.away = rest.map(|rest| (Stopwatch::start(), rest));
            writer.fresh = (0..waits).map(|_| some_put()).collect();
            while writer.flying.is_empty() {
                writer.launch();
                let wait = writer.wait();
                assert!(wait > Duration::ZERO, "{waits} points wait, and it rests for {rest:?}");
                task::sleep(wait).await;
            }
        }
    }
}
