//! A log in memory, for tests: it keeps the whole promise but durability, runs on paused time, and breaks on command. It goes away, is trimmed,
//! restored from an older copy or made again, takes partitions away, and lets sessions and idle transactions expire as Kafka does.

mod group;
mod member;
mod part;
mod reader;
mod state;
mod writer;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use tokio::sync::Notify;

use self::member::MemoryMember;
use self::part::Cursor;
use self::reader::MemoryReader;
pub use self::state::Copy;
use self::state::State;
use self::writer::MemoryWriter;
use crate::error::{Error, Result};
use crate::port::{Log, Member, Reader, Writer};
use crate::record::{Bounds, Committed, NewRecord, Partition, Record};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// Who waits looks at the clocks of others so often.
const TICK: Duration = Duration::from_secs(1);

/// How a log in memory is made.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub clock: Clock,
    /// A member that was not heard of for so long is gone; zero: it goes when it is dropped.
    pub session: Duration,
    /// Tells the end in a batch of its own, and counts markers only there.
    pub as_kafka: bool,
    /// A partition exists once it is named.
    pub makes_topics: bool,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes those who wait in the order in which they came, unlike a `watch`: a simulation depends on it.
    changed: Notify,
    session: Duration,
}

/// What befalls it, and what is seen of it from outside: nothing here is subject to `away`.
impl MemoryLog {
    pub fn new(options: Options) -> Self {
        let session = options.session;
        Self(Arc::new(Shared { state: Mutex::new(State::new(options)), changed: Notify::new(), session }))
    }

    /// One whose topics exist once they are named, whose members are gone when they are dropped, and whose records are very old.
    pub fn simple(as_kafka: bool) -> Self {
        Self::new(Options { clock: Clock::fixed(0), as_kafka, makes_topics: true, ..Options::default() })
    }

    /// Writes a transaction of nobody's: all at once, and a marker behind it when `marker`. Returns the first offset.
    ///
    /// # Panics
    /// When the log would not take them.
    pub fn write(&self, partition: &Partition, records: Vec<NewRecord>, marker: bool) -> u64 {
        let first = self.lock().write(partition, records, marker).expect("records that the log takes");
        self.tell();
        first
    }

    /// Everything that is readable.
    pub fn records(&self, partition: &Partition) -> Vec<Record> {
        self.lock().part(partition).map(|part| part.committed().cloned().collect()).unwrap_or_default()
    }

    pub fn end(&self, partition: &Partition) -> u64 {
        self.lock().part(partition).map_or(0, |part| part.bounds().end)
    }

    /// The next calls fail; 0 ends it.
    pub fn away(&self, calls: u64) {
        self.lock().away = calls;
        self.tell();
    }

    /// The next commits of transactions are decided, and carried out when they are asked for again, when another writer comes, or a little later:
    /// their writer may die in between.
    pub fn slow_commits(&self, number: u64) {
        self.lock().slow_commits = number;
    }

    /// There is a transaction whose commit is decided and not carried out.
    pub fn is_committing(&self) -> bool {
        self.lock().is_committing()
    }

    /// There is a transaction with records that nobody can see yet.
    pub fn is_writing(&self) -> bool {
        self.lock().is_writing()
    }

    /// Removes records that do not fit.
    pub fn compact(&self, partition: &Partition, keep: impl Fn(&Record) -> bool) {
        self.change(partition, |part| part.keep(keep));
    }

    /// Compaction and retention by each topic's settings.
    pub fn clean(&self) {
        self.lock().clean();
        self.tell();
    }

    /// Removes everything before `start`, as retention does.
    pub fn trim(&self, partition: &Partition, start: u64) {
        self.change(partition, |part| part.trim(start));
    }

    /// Restored from an older copy that ended at `end`; with 0 it was made again.
    pub fn truncate(&self, partition: &Partition, end: u64) {
        self.change(partition, |part| part.truncate(end));
    }

    /// What these topics hold, and what groups have committed of them: nobody may write meanwhile.
    pub fn copy(&self, topics: &[Topic]) -> Copy {
        self.lock().copy(topics)
    }

    /// Restored from an older copy.
    pub fn set_back(&self, copy: &Copy) {
        self.lock().set_back(copy);
        self.tell();
    }

    /// Takes the partitions away in order from who holds them.
    pub fn revoke(&self, group: &str) {
        self.lock().group(group).revoke();
        self.tell();
    }

    /// Takes the partitions away without asking: the sessions of who holds them expired.
    pub fn lose(&self, group: &str) {
        self.lock().group(group).lose();
        self.tell();
    }

    /// How often members of this group were polled.
    pub fn polls(&self, group: &str) -> u64 {
        self.lock().group(group).polls
    }

    /// How often members of this group began to read.
    pub fn starts(&self, group: &str) -> u64 {
        self.lock().group(group).starts
    }

    /// How many readers were opened: on Kafka each is a consumer of its own.
    pub fn readers(&self) -> u64 {
        self.lock().readers
    }

    /// How many members the group has.
    pub fn members_now(&self, group: &str) -> usize {
        self.lock().group(group).size()
    }

    /// Sets a group's offset from outside.
    pub fn set_committed(&self, group: &str, partition: &Partition, position: u64) {
        self.lock().group(group).committed.insert(partition.clone(), Committed { position, note: None });
    }

    pub fn committed_now(&self, group: &str, partition: &Partition) -> Option<u64> {
        self.committed_with_note(group, partition).map(|committed| committed.position)
    }

    pub fn committed_with_note(&self, group: &str, partition: &Partition) -> Option<Committed> {
        self.lock().group(group).committed.get(partition).cloned()
    }

    fn change(&self, partition: &Partition, change: impl FnOnce(&mut part::Part)) {
        if let Ok(part) = self.lock().part_mut(partition) {
            change(part);
        }
        self.tell();
    }
}

impl MemoryLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expire();
        state
    }

    fn up(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        if state.away > 0 {
            state.away -= 1;
            return Err(Error::Away("told to be".to_owned()));
        }
        Ok(state)
    }

    fn tell(&self) {
        self.0.changed.notify_waiters();
    }

    fn session(&self) -> Duration {
        self.0.session
    }

    /// What `take` gives as soon as it gives something; `None`: it gave nothing for so long.
    async fn wait_for<T>(&self, wait: Duration, mut take: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        let watch = Stopwatch::start();
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(taken) = take()? {
                return Ok(Some(taken));
            }
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let _changed = task::timeout(left.min(TICK), changed).await;
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let offsets = self.up()?.append(partition, records);
        self.tell();
        offsets
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        Ok(self.up()?.named(partition)?.bounds())
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        let mut state = self.up()?;
        let mut committed = state.named(partition)?.committed();
        Ok(committed.find(|record| record.timestamp_ms >= timestamp_ms).map(|record| record.offset))
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        let mut state = self.up()?;
        state.named(partition)?;
        state.readers += 1;
        Ok(Box::new(MemoryReader { log: self.clone(), partition: partition.clone(), cursor: Cursor::new(from) }))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        let id = self.up()?.join(group, topics)?;
        self.tell();
        Ok(Box::new(MemoryMember::new(self.clone(), group, id, topics.to_vec())))
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        let epoch = self.up()?.open_writer(id);
        self.tell();
        Ok(Box::new(MemoryWriter { log: self.clone(), name: id.to_owned(), epoch }))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        Ok(self.up()?.group(group).committed.get(partition).cloned())
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        Ok(self.up()?.size(group))
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        self.up()?.reconcile(specs, apply)
    }
}
