//! The promise of a log. Doc comments are the contract; `contract.rs` tests them against every adapter.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::record::{Batch, Bounds, Committed, Group, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// The event log. Records of a partition are totally ordered; what was acknowledged survives a crash of the process and of the log.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends in the given order and returns each record's offset once all are durable (Kafka: idempotent, acks=all).
    /// The partition is `partition`; concurrent appends may interleave between records but never reorder one call's.
    /// On `Class::Retry` any of them may have been appended: callers carry an idempotency key in the record.
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>>;

    /// The partition's bounds, as a reader of committed records sees them.
    async fn bounds(&self, partition: &Partition) -> Result<Bounds>;

    /// The offset of the first record at or after this time; `None` when there is none yet.
    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>>;

    /// A reader of its own, without a group, of committed records from `from` on. Below `start`: it begins at `start` when
    /// `from` is 0 (compaction or retention may have removed the first ones), else `OutOfRange` on the first read; beyond `end` likewise.
    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>>;

    /// The same for whoever reads little, or as slowly as somebody takes it: it fetches little ahead, so that many of them cost little memory.
    async fn frugal_reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.reader(partition, from).await
    }

    /// Joins `group` as a consumer of all partitions of `topics`. At most one member of a group holds a partition at a time.
    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>>;

    /// A transactional writer. Opening one fences every earlier writer of the same `id` (their open transaction is aborted or, when its
    /// commit was already under way, finished before this returns; later calls of theirs fail with `Class::Fenced`).
    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>>;

    /// The offset that `group` committed, and its note, read from outside the group.
    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>>;

    /// How many members `group` has, those included that hold nothing; `None` when the log knows of no such group. One that was killed counts
    /// until its session has expired.
    async fn members(&self, group: &str) -> Result<Option<usize>>;

    /// Differences between `specs` and the log's topics; with `apply` it also carries out every `Create` and `Alter`.
    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>>;
}

/// Reads one partition.
#[async_trait]
pub trait Reader: Send {
    /// Up to `max` records, as soon as there is at least one; an empty batch with `at_end` as soon as the end is reached for the first time
    /// since the last record, or has moved without one (an aborted transaction); else an empty batch when `wait` has passed. A batch with
    /// records says `at_end` where that is known already. An append by anyone wakes a waiting reader at once.
    /// Cancel safe: a dropped call loses no record. After `OutOfRange` a `seek` mends the reader; after `Class::Retry` call again.
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Batch>;

    /// The next offset to be read, markers counted.
    fn position(&self) -> u64;

    /// Goes to another offset (bounds as for `Log::reader`).
    async fn seek(&mut self, offset: u64) -> Result<()>;
}

/// What a member of a group is told.
#[derive(Debug)]
pub enum Event {
    /// These partitions are now this member's. Nothing is read from them until `Member::start` says from where.
    Assigned(Vec<Partition>),
    /// These are being taken away in order: finish or undo work in hand, then call `Member::release`; no other member gets them before that.
    Revoked(Vec<Partition>),
    /// These are gone already (session expired): another member may hold them; drop everything in hand.
    Lost(Vec<Partition>),
    /// Records of one partition, with the position after them; an empty batch tells its end, as for `Reader::read`.
    Records { partition: Partition, batch: Batch },
    /// Nothing happened within the wait.
    Idle,
}

/// A member of a consumer group. Assigns nothing itself: its owner says from where each partition is read.
#[async_trait]
pub trait Member: Send {
    /// The next event; at most `max` records. Must be called often (at least every few seconds, also while paused) to stay in the group.
    /// Cancel safe.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event>;

    /// Begins (or begins again, also when it was paused) to read an assigned partition at `offset`; bounds as for `Log::reader`, refused at once.
    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()>;

    /// Stops delivering records of this partition, and goes on exactly there; the member stays in the group.
    async fn pause(&mut self, partition: &Partition) -> Result<()>;
    async fn resume(&mut self, partition: &Partition) -> Result<()>;

    /// Acknowledges a revocation; the partitions go when all that were revoked together are released.
    async fn release(&mut self, partitions: &[Partition]) -> Result<()>;

    /// Stores the group's offset outside of any transaction, for an assigned partition, and a note for whoever asks from outside: both replace
    /// what was there, so that no note means none. One of more than `NOTE_BYTES_MAX` bytes is `Invalid`, an empty one is none.
    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()>;

    /// What a writer needs to commit this group's offset in a transaction; fetched anew for each transaction.
    fn group(&self) -> Result<Group>;

    /// Leaves the group at once, so that a stand-by need not wait for the session timeout.
    async fn leave(self: Box<Self>) -> Result<()>;
}

/// Writes transactions, one at a time. A transaction begins with the first `append` and ends with `commit` or `abort`.
#[async_trait]
pub trait Writer: Send {
    /// Appends within the open transaction and returns the offsets that the records will have once it is committed.
    /// Returns when the log has them, invisible to readers until `commit`. After an error the transaction can only be aborted, unless it is
    /// `TooLarge` or `NoSuchTopic`: these are found before anything is appended.
    /// A transaction that is left idle for about ten seconds is aborted by the log.
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>>;

    /// Makes all appended records visible and stores the group's position, in one atomic step. An error of class `Retry` means: call `commit` again;
    /// `Abort`: nothing happened, call `abort` and redo; `Fenced`: unknown or superseded, restore. The position has no note: one that was there
    /// is gone.
    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()>;

    /// Undoes the open transaction, if any.
    async fn abort(&mut self) -> Result<()>;
}
