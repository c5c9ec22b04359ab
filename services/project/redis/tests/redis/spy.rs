//! A store that writes down what is done with it, and fails on command.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use loki_domain::LogId;
use loki_redis::samples::{Answered, Place, SamplesStore, Search, Shape, Shelf, Write};
use loki_runner::{Applied, State, StoreError};

/// What a write fails with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is written.
    Away,
    /// It is written, and nobody is told.
    Unknown,
    Unusable,
}

#[derive(Debug, Clone)]
pub(crate) struct Spy {
    inner: Arc<dyn SamplesStore>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Partition and offset.
    begun: Vec<(u32, u64)>,
    /// Partition, from, to and state.
    applied: Vec<(u32, u64, u64, State)>,
    faults: VecDeque<Fault>,
}

impl Spy {
    pub(crate) fn new(inner: Arc<dyn SamplesStore>) -> Self {
        Self { inner, seen: Arc::default() }
    }

    pub(crate) fn begun(&self) -> Vec<(u32, u64)> {
        let mut begun = self.seen.lock().unwrap().begun.clone();
        begun.sort_unstable();
        begun
    }

    /// The steps of one partition.
    pub(crate) fn applied(&self, partition: u32) -> Vec<(u64, u64, State)> {
        let seen = self.seen.lock().unwrap();
        seen.applied.iter().filter(|(of, ..)| *of == partition).map(|(_, from, to, state)| (*from, *to, *state)).collect()
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.seen.lock().unwrap().faults.extend(faults);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.seen.lock().unwrap().faults.is_empty()
    }
}

#[async_trait]
impl SamplesStore for Spy {
    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    async fn place(&self, partition: u32) -> Result<Option<Place>, StoreError> {
        self.inner.place(partition).await
    }

    async fn begin(&self, partition: u32, seen: Option<(LogId, u64)>, log: LogId, from: u64) -> Result<Applied, StoreError> {
        let begun = self.inner.begin(partition, seen, log, from).await?;
        if begun == Applied::Done {
            self.seen.lock().unwrap().begun.push((partition, from));
        }
        Ok(begun)
    }

    async fn apply(&self, partition: u32, write: Write<'_>) -> Result<Applied, StoreError> {
        let fault = self.seen.lock().unwrap().faults.pop_front();
        let told = |text: &str| Err(StoreError::Away(text.to_owned()));
        match fault {
            Some(Fault::Away) => return told("as ordered"),
            Some(Fault::Unusable) => return Err(StoreError::Unusable("as ordered".to_owned())),
            Some(Fault::Unknown) | None => {}
        }
        let applied = self.inner.apply(partition, write).await?;
        if applied == Applied::Done {
            self.seen.lock().unwrap().applied.push((partition, write.step.from, write.step.to, write.state));
        }
        if fault == Some(Fault::Unknown) { told("as ordered, after it was written") } else { Ok(applied) }
    }

    async fn search(&self, partition: u32, search: Search<'_>) -> Result<Answered<Shelf>, StoreError> {
        self.inner.search(partition, search).await
    }

    async fn heard(&self, partition: u32, hosts: &[&str]) -> Result<Answered<Vec<Option<i64>>>, StoreError> {
        self.inner.heard(partition, hosts).await
    }
}
