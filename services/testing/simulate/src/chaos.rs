//! What happens to calls of the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use loki_core::generate::Random;
use loki_log::{
    Batch, Bounds, Committed, Error, Event, Group, Log, Member, NewRecord, Partition, Reader, Record, Result, Topic, TopicChange,
    TopicSpec, Writer,
};
use loki_runtime::{Process, task};

/// How often, of 10,000 calls, what happens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// It ends with an error, without its effect or after it.
    pub(crate) fails: usize,
    /// It is the last of its process, before its effect or after it.
    pub(crate) kills: usize,
    /// It takes up to so long.
    pub(crate) late: usize,
    pub(crate) late_max: Duration,
}

/// Cheap to clone: all processes share it.
#[derive(Debug, Clone)]
pub(crate) struct Chaos(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    rates: Rates,
    happened: Happened,
}

/// How often it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Happened {
    pub calls: u64,
    pub failed: u64,
    pub killed: u64,
}

/// What a call suffers.
enum Fate {
    Nothing,
    FailsBefore,
    FailsAfter,
    KillsBefore,
    KillsAfter,
}

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { random: Random::new(seed), rates: Rates::default(), happened: Happened::default() })))
    }

    /// Returns what they were.
    pub(crate) fn set(&self, rates: Rates) -> Rates {
        self.with(|state| std::mem::replace(&mut state.rates, rates))
    }

    pub(crate) fn happened(&self) -> Happened {
        self.with(|state| state.happened)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fate(&self) -> (Duration, Fate) {
        self.with(|State { random, rates, happened }| {
            happened.calls += 1;
            let is_late = random.below(10_000) < rates.late;
            let late = if is_late { rates.late_max.mul_f64(random.below(1_000) as f64 / 1_000.0) } else { Duration::ZERO };
            let number = random.below(10_000);
            let is_after = random.chance(50);
            let fate = match (number, is_after) {
                _ if number < rates.kills => {
                    happened.killed += 1;
                    if is_after { Fate::KillsAfter } else { Fate::KillsBefore }
                }
                _ if number < rates.kills + rates.fails => {
                    happened.failed += 1;
                    if is_after { Fate::FailsAfter } else { Fate::FailsBefore }
                }
                _ => Fate::Nothing,
            };
            (late, fate)
        })
    }

    /// A call, and what becomes of it.
    async fn around<T>(&self, error: fn() -> Error, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let (late, fate) = self.fate();
        if !late.is_zero() {
            task::sleep(late).await;
        }
        match fate {
            Fate::Nothing => call.await,
            Fate::FailsBefore => Err(error()),
            Fate::FailsAfter => call.await.and_then(|_| Err(error())),
            Fate::KillsBefore => die().await,
            Fate::KillsAfter => {
                let _lost = call.await;
                die().await
            }
        }
    }

    /// One that only reads: it may fail, but not after it has taken something.
    async fn reading<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let (late, fate) = self.fate();
        if !late.is_zero() {
            task::sleep(late).await;
        }
        match fate {
            Fate::FailsBefore | Fate::FailsAfter => Err(away()),
            Fate::KillsBefore | Fate::KillsAfter => die().await,
            Fate::Nothing => call.await,
        }
    }
}

/// Nothing comes after this in a process. Who belongs to none waits for an answer that does not come, as one that is cut off.
async fn die<T>() -> Result<T> {
    match Process::current() {
        Some(process) => {
            process.kill();
            std::future::pending().await
        }
        None => Err(away()),
    }
}

fn away() -> Error {
    Error::Away("the line was cut".to_owned())
}

fn aborted() -> Error {
    Error::Aborted("the line was cut".to_owned())
}

fn fenced() -> Error {
    Error::Fenced("nobody knows what became of the commit".to_owned())
}

/// From which fact on they are of a version that a process of the older release does not know. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newer(Arc<Mutex<Option<u64>>>);

impl Newer {
    pub(crate) fn from(&self, offset: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = offset;
    }

    fn has(&self, record: &Record) -> bool {
        let from = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        from.is_some_and(|from| from <= record.offset)
    }

    fn changed(&self, mut batch: Batch) -> Batch {
        for record in batch.records.iter_mut().filter(|record| self.has(record)) {
            for (_, value) in record.headers.iter_mut().filter(|(name, _)| name == "ce_dataschema") {
                *value = Bytes::from_static(b"fact.node.v99");
            }
        }
        batch
    }
}

/// The log as a process sees it.
#[derive(Clone)]
pub(crate) struct FaultyLog {
    pub(crate) inner: Arc<dyn Log>,
    pub(crate) chaos: Chaos,
    pub(crate) newer: Newer,
}

#[async_trait]
impl Log for FaultyLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.chaos.around(away, self.inner.append(partition, records)).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        self.chaos.reading(self.inner.bounds(partition)).await
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        self.chaos.reading(self.inner.offset_at(partition, timestamp_ms)).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        let inner = self.chaos.reading(self.inner.reader(partition, from)).await?;
        Ok(Box::new(FaultyReader { inner, chaos: self.chaos.clone(), newer: self.newer.clone() }))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        let inner = self.chaos.reading(self.inner.member(group, topics)).await?;
        Ok(Box::new(FaultyMember { inner, chaos: self.chaos.clone(), newer: self.newer.clone() }))
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        let inner = self.chaos.around(away, self.inner.writer(id)).await?;
        Ok(Box::new(FaultyWriter { inner, chaos: self.chaos.clone(), may_be_done: false }))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        self.chaos.reading(self.inner.committed(group, partition)).await
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        self.chaos.reading(self.inner.members(group)).await
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        self.inner.reconcile_topics(specs, apply).await
    }
}

struct FaultyReader {
    inner: Box<dyn Reader>,
    chaos: Chaos,
    newer: Newer,
}

#[async_trait]
impl Reader for FaultyReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        self.chaos.clone().reading(self.inner.read(max, wait)).await.map(|batch| self.newer.changed(batch))
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }

    async fn seek(&mut self, offset: u64) -> Result<()> {
        self.inner.seek(offset).await
    }
}

struct FaultyMember {
    inner: Box<dyn Member>,
    chaos: Chaos,
    newer: Newer,
}

#[async_trait]
impl Member for FaultyMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        Ok(match self.chaos.clone().reading(self.inner.next(max, wait)).await? {
            Event::Records { partition, batch } => Event::Records { partition, batch: self.newer.changed(batch) },
            other => other,
        })
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        self.chaos.clone().reading(self.inner.start(partition, offset)).await
    }

    async fn pause(&mut self, partition: &Partition) -> Result<()> {
        self.inner.pause(partition).await
    }

    async fn resume(&mut self, partition: &Partition) -> Result<()> {
        self.inner.resume(partition).await
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<()> {
        self.inner.release(partitions).await
    }

    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()> {
        self.chaos.clone().around(away, self.inner.commit(partition, position, note)).await
    }

    fn group(&self) -> Result<Group> {
        self.inner.group()
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.inner.leave().await
    }
}

struct FaultyWriter {
    inner: Box<dyn Writer>,
    chaos: Chaos,
    /// The last commit was called in vain, or had its effect.
    may_be_done: bool,
}

#[async_trait]
impl Writer for FaultyWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.chaos.clone().around(aborted, self.inner.append(partition, records)).await
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        // of a commit three things can be heard: call again, nothing happened, nobody knows
        let chaos = self.chaos.clone();
        let nothing_happened = !std::mem::take(&mut self.may_be_done) && chaos.with(|state| state.random.chance(33));
        if nothing_happened {
            return match chaos.reading(async { Ok(()) }).await {
                Ok(()) => self.inner.commit(consumed).await,
                Err(_) => Err(aborted()),
            };
        }
        let error = if chaos.with(|state| state.random.chance(50)) { away } else { fenced };
        let result = chaos.around(error, self.inner.commit(consumed)).await;
        self.may_be_done = result.is_err();
        result
    }

    async fn abort(&mut self) -> Result<()> {
        self.chaos.clone().around(away, self.inner.abort()).await
    }
}
