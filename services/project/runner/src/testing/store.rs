//! A store in memory that fails on command and notes every breach of the loop's promise.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use loki_domain::LogId;
use loki_wire::{Change, Fact, fact};
use tokio::sync::watch;

use crate::projection::{Applied, Batch, Item, Projection, State, StoreError, Stored, Target};

/// What goes wrong with one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and the caller is told.
    Away,
    /// It is written, and the caller is told that the store is away.
    AwayAfter,
    /// Nothing is written, and the caller is told nothing, ever.
    Hang,
    /// It is written, and the caller is told nothing, ever.
    HangAfter,
    /// Nothing is written, without a reason.
    Refuse,
    Unusable,
}

/// Cheap to clone: what survives the process that fills it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    away: watch::Sender<bool>,
    hanging: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    main: Option<Generation>,
    shadow: Option<Generation>,
    asked: bool,
    faults: VecDeque<Option<Fault>>,
    breaches: Vec<String>,
    /// (Target, from, to, items, state) of each batch that was written.
    written: Vec<(Target, u64, u64, usize, State)>,
    swaps: u64,
    reads: u64,
}

/// What readers see, and how it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub stored: Stored,
    pub rows: BTreeMap<String, String>,
    /// Every offset that was applied, in order.
    pub applied: Vec<u64>,
    last_command: Option<u64>,
}

impl Fault {
    pub const ALL: [Self; 6] = [Self::Away, Self::AwayAfter, Self::Hang, Self::HangAfter, Self::Refuse, Self::Unusable];
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self { inner: Arc::default(), away: watch::Sender::new(false), hanging: watch::Sender::new(false) }
    }

    /// A projection that fills this store.
    pub fn projection(&self, name: &'static str) -> MemoryProjection {
        MemoryProjection { store: self.clone(), name, asked: false }
    }

    pub fn main(&self) -> Option<Generation> {
        self.lock().main.clone()
    }

    pub fn stored(&self) -> Option<Stored> {
        self.lock().main.as_ref().map(|main| main.stored)
    }

    /// Sets the main generation: `None` empties the store, an older copy sets it back.
    pub fn replace(&self, main: Option<Generation>) {
        let mut inner = self.lock();
        (inner.main, inner.asked) = (main, false);
    }

    /// Asks for a rebuild, as an operator does from outside.
    pub fn ask(&self) {
        self.lock().asked = true;
    }

    /// Changes what the main generation says about itself.
    pub fn change(&self, change: impl FnOnce(&mut Stored)) {
        if let Some(main) = &mut self.lock().main {
            change(&mut main.stored);
        }
    }

    /// What the next writes suffer, in this order; `None`: nothing.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().faults.extend(faults);
    }

    /// Faults that are still to come.
    pub fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    pub fn heal(&self) {
        self.lock().faults.clear();
        self.away.send_replace(false);
        self.hanging.send_replace(false);
    }

    /// Every call fails until it is told otherwise.
    pub fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Writes do not return until it is told otherwise.
    pub fn set_hanging(&self, hanging: bool) {
        self.hanging.send_replace(hanging);
    }

    /// Promises that were not kept.
    pub fn breaches(&self) -> Vec<String> {
        self.lock().breaches.clone()
    }

    /// (Target, from, to, items, state) of each batch that was written.
    pub fn written(&self) -> Vec<(Target, u64, u64, usize, State)> {
        self.lock().written.clone()
    }

    /// How many rebuilds were finished.
    pub fn swaps(&self) -> u64 {
        self.lock().swaps
    }

    /// How often the position was asked for.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes that do not return.
    pub fn hanging(&self) -> usize {
        // One receiver for each of them.
        self.hanging.receiver_count()
    }

    fn answers(&self) -> Result<(), StoreError> {
        if *self.away.borrow() { Err(StoreError::Away("told to be".to_owned())) } else { Ok(()) }
    }

    /// One write, with what it was told to suffer.
    async fn write<T>(&self, refused: Option<T>, write: impl FnOnce(&mut Inner) -> T + Send) -> Result<T, StoreError> {
        if self.hanging.subscribe().wait_for(|hanging| !hanging).await.is_err() {
            return Err(StoreError::Away("gone".to_owned()));
        }
        self.answers()?;
        let fault = self.lock().faults.pop_front().flatten();
        match fault {
            None => Ok(write(&mut self.lock())),
            Some(Fault::Away) => Err(StoreError::Away("before it was written".to_owned())),
            Some(Fault::AwayAfter) => {
                write(&mut self.lock());
                Err(StoreError::Away("after it was written".to_owned()))
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                write(&mut self.lock());
                std::future::pending().await
            }
            Some(Fault::Refuse) => refused.ok_or_else(|| StoreError::Away("nothing to refuse with".to_owned())),
            Some(Fault::Unusable) => Err(StoreError::Unusable("told to be".to_owned())),
        }
    }
}

impl Inner {
    fn apply(&mut self, batch: &Batch<'_, Fact>) -> Applied {
        let generation = match batch.target {
            Target::Main => &mut self.main,
            Target::Shadow => &mut self.shadow,
        };
        let Some(generation) =
            generation.as_mut().filter(|generation| generation.stored.position == batch.from && generation.stored.log == batch.log)
        else {
            return Applied::Refused;
        };
        if batch.target == Target::Main && std::mem::take(&mut self.asked) && !batch.gives_up() {
            self.asked = true;
            return Applied::Refused;
        }
        let mut breaches = Vec::new();
        let mut next = batch.from;
        for item in batch.items {
            if item.offset() < next || item.offset() >= batch.to {
                breaches.push(format!("offset {} in a batch of {} to {}", item.offset(), batch.from, batch.to));
            }
            next = item.offset() + 1;
            generation.applied.push(item.offset());
            match &item.change {
                Change::Removed(key) => generation.rows.remove(&key.to_string()),
                change => generation.rows.insert(change.log_key(), row(change)),
            };
        }
        // the log's own id is of no command, and told as if it were of the first one
        let mut of_commands = batch.items.iter().filter(|item| !matches!(item.change, Change::Log(_)));
        if let (Some(first), Some(last)) = (of_commands.clone().next(), of_commands.next_back()) {
            if generation.last_command == Some(first.command) {
                breaches.push(format!("command {} was cut at {}", first.command, batch.from));
            }
            generation.last_command = Some(last.command);
        }
        if batch.to < batch.from {
            breaches.push(format!("a batch of {} to {}", batch.from, batch.to));
        }
        let stored = &mut generation.stored;
        (stored.position, stored.state) = (batch.to, batch.state);
        stored.ended_ms = batch.ended_ms.unwrap_or(stored.ended_ms);
        self.breaches.extend(breaches);
        self.written.push((batch.target, batch.from, batch.to, batch.items.len(), batch.state));
        Applied::Done
    }

    fn finish(&mut self, log: LogId, at: u64, ended_ms: i64) -> Applied {
        let Some(mut shadow) = self.shadow.take_if(|shadow| shadow.stored.log == log && shadow.stored.position == at) else {
            return Applied::Refused;
        };
        (shadow.stored.state, shadow.stored.ended_ms) = (State::Live, ended_ms);
        (self.main, self.asked) = (Some(shadow), false);
        self.swaps += 1;
        Applied::Done
    }
}

fn row(change: &Change) -> String {
    let value = fact::write(change, 0, 0, false, None).value.unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// Fills a `MemoryStore`.
#[derive(Debug)]
pub struct MemoryProjection {
    store: MemoryStore,
    name: &'static str,
    asked: bool,
}

#[async_trait]
impl Projection for MemoryProjection {
    type Item = Fact;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn stored(&mut self) -> Result<Option<Stored>, StoreError> {
        self.store.lock().reads += 1;
        self.store.answers()?;
        let inner = self.store.lock();
        self.asked = inner.asked;
        Ok(inner.main.as_ref().map(|main| main.stored))
    }

    fn is_asked(&self) -> bool {
        self.asked
    }

    async fn apply(&mut self, batch: Batch<'_, Fact>) -> Result<Applied, StoreError> {
        self.store.write(Some(Applied::Refused), |inner| inner.apply(&batch)).await
    }

    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError> {
        let stored = Stored { log, position: from, state: State::Building, ended_ms: 0 };
        let empty = Generation { stored, rows: BTreeMap::new(), applied: Vec::new(), last_command: None };
        self.store.write(None, |inner| inner.shadow = Some(empty)).await
    }

    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError> {
        self.store.write(Some(Applied::Refused), |inner| inner.finish(log, at, ended_ms)).await
    }
}
