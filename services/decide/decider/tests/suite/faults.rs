//! A log that fails in every way that the port allows, by a seeded plan.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use loki_core::generate::Random;
use loki_log::{
    Batch, Bounds, Committed, Error, Event, Group, Log, Member, NewRecord, Partition, Reader, Record, Result, Topic, TopicChange,
    TopicSpec, Writer,
};

/// Passes everything on, except now and then.
#[derive(Clone)]
pub(crate) struct FaultyLog {
    inner: Arc<dyn Log>,
    random: Arc<Mutex<Random>>,
    percent: usize,
    injected: Arc<AtomicUsize>,
}

impl FaultyLog {
    pub(crate) fn new(inner: Arc<dyn Log>, seed: u64, percent: usize) -> Self {
        Self { inner, random: Arc::new(Mutex::new(Random::new(seed))), percent, injected: Arc::default() }
    }

    pub(crate) fn injected(&self) -> usize {
        self.injected.load(Ordering::SeqCst)
    }

    /// Which of so many faults is to happen now.
    fn fault(&self, kinds: usize) -> Option<usize> {
        let mut random = self.random.lock().expect("the seed");
        let kind = random.chance(self.percent).then(|| random.below(kinds))?;
        self.injected.fetch_add(1, Ordering::SeqCst);
        Some(kind)
    }

    fn may_be_away(&self) -> Result<()> {
        self.fault(1).map_or(Ok(()), |_| Err(away()))
    }
}

fn away() -> Error {
    Error::Away("injected".to_owned())
}

fn aborted() -> Error {
    Error::Aborted("injected".to_owned())
}

fn fenced() -> Error {
    Error::Fenced("injected".to_owned())
}

#[async_trait]
impl Log for FaultyLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.inner.append(partition, records).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        self.may_be_away()?;
        self.inner.bounds(partition).await
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        self.may_be_away()?;
        self.inner.offset_at(partition, timestamp_ms).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.may_be_away()?;
        Ok(Box::new(FaultyReader { inner: self.inner.reader(partition, from).await?, log: self.clone() }))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        self.may_be_away()?;
        Ok(Box::new(FaultyMember { inner: self.inner.member(group, topics).await?, log: self.clone() }))
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        self.may_be_away()?;
        Ok(Box::new(FaultyWriter { inner: self.inner.writer(id).await?, log: self.clone(), gone: false, committed: false }))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        self.may_be_away()?;
        self.inner.committed(group, partition).await
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        self.may_be_away()?;
        self.inner.members(group).await
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        self.inner.reconcile_topics(specs, apply).await
    }
}

struct FaultyReader {
    inner: Box<dyn Reader>,
    log: FaultyLog,
}

#[async_trait]
impl Reader for FaultyReader {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch> {
        self.log.may_be_away()?;
        // few at a time, so that a restore has many reads to lose
        self.inner.read(max.min(50), wait).await
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
    log: FaultyLog,
}

#[async_trait]
impl Member for FaultyMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        self.log.may_be_away()?;
        self.inner.next(max, wait).await
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        self.inner.start(partition, offset).await
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
        self.inner.commit(partition, position, note).await
    }

    fn group(&self) -> Result<Group> {
        self.log.may_be_away()?;
        self.inner.group()
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.inner.leave().await
    }
}

struct FaultyWriter {
    inner: Box<dyn Writer>,
    log: FaultyLog,
    /// It was told to be fenced, and stays so.
    gone: bool,
    /// The last commit succeeded although its caller was told otherwise.
    committed: bool,
}

#[async_trait]
impl Writer for FaultyWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        if self.gone {
            return Err(fenced());
        }
        match self.log.fault(4) {
            Some(0) => return Err(away()),
            Some(1) => return Err(aborted()),
            // the records are in the transaction, which the caller cannot know
            Some(2) => return self.inner.append(partition, records).await.and(Err(away())),
            Some(_) => self.gone = true,
            None => return self.inner.append(partition, records).await,
        }
        Err(fenced())
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        if self.gone {
            return Err(fenced());
        }
        if std::mem::take(&mut self.committed) {
            return Ok(());
        }
        match self.log.fault(5) {
            None => self.inner.commit(consumed).await,
            Some(0) => Err(away()),
            Some(1) => Err(aborted()),
            Some(2) => {
                self.inner.commit(consumed).await?;
                self.committed = true;
                Err(away())
            }
            Some(3) => {
                self.inner.commit(consumed).await?;
                self.gone = true;
                Err(fenced())
            }
            Some(_) => {
                self.gone = true;
                Err(fenced())
            }
        }
    }

    async fn abort(&mut self) -> Result<()> {
        if self.gone {
            return Err(fenced());
        }
        self.log.may_be_away()?;
        self.inner.abort().await
    }
}

/// The record with a value that nobody can read.
pub(crate) fn spoiled(record: &Record) -> NewRecord {
    NewRecord { key: record.key.clone(), value: Some("{".into()), headers: record.headers.clone(), timestamp_ms: Some(record.timestamp_ms) }
}
