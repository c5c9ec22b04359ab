//! A member of a consumer group.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::select_all;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use tokio::sync::watch;

use super::Shared;
use super::catalog::Part;
use super::cursor::Cursor;
use super::group::Membership;
use super::request::{Consumed, Request};
use crate::error::{Error, Result};
use crate::port::{Event, Member};
use crate::record::{self, Group, Partition};

pub(super) struct SqliteMember {
    shared: Arc<Shared>,
    membership: Arc<Membership>,
    holder: watch::Receiver<u64>,
    assigned: bool,
    slots: Vec<Slot>,
    /// The slot that is looked at first: each partition gets its turn.
    turn: usize,
}

struct Slot {
    part: Arc<Part>,
    cursor: Option<Cursor>,
    paused: bool,
}

impl SqliteMember {
    pub(super) fn new(shared: Arc<Shared>, membership: Membership, parts: Vec<Arc<Part>>) -> Self {
        let holder = membership.holder();
        let slots = parts.into_iter().map(|part| Slot { part, cursor: None, paused: false }).collect();
        Self { shared, membership: Arc::new(membership), holder, assigned: false, slots, turn: 0 }
    }

    fn slot(&mut self, partition: &Partition) -> Result<&mut Slot> {
        let slot = self.slots.iter_mut().find(|slot| slot.part.partition == *partition);
        match slot {
            Some(slot) if self.assigned => Ok(slot),
            _ => Err(Error::Invalid(format!("`{partition}` is not assigned to this member"))),
        }
    }

    /// An event that is there already.
    async fn take(&mut self, max: usize) -> Result<Option<Event>> {
        if !self.assigned {
            if !self.membership.holds() {
                return Ok(None);
            }
            self.assigned = true;
            return Ok(Some(Event::Assigned(self.slots.iter().map(|slot| slot.part.partition.clone()).collect())));
        }
        let count = self.slots.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let slot = &mut self.slots[index];
            let Some(cursor) = slot.cursor.as_mut().filter(|_| !slot.paused) else { continue };
            if let Some(batch) = cursor.take(max).await? {
                self.turn = (index + 1) % count;
                return Ok(Some(Event::Records { partition: slot.part.partition.clone(), batch }));
            }
        }
        Ok(None)
    }

    /// Returns when `take` may have something.
    async fn wait(&mut self) {
        if !self.assigned {
            let _closed = self.holder.changed().await;
            return;
        }
        let cursors = self.slots.iter_mut().filter(|slot| !slot.paused).filter_map(|slot| slot.cursor.as_mut());
        let waits: Vec<_> = cursors.map(|cursor| Box::pin(cursor.wait())).collect();
        if waits.is_empty() { std::future::pending().await } else { drop(select_all(waits).await) }
    }
}

#[async_trait]
impl Member for SqliteMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        let watch = Stopwatch::start();
        loop {
            if let Some(event) = self.take(max).await? {
                return Ok(event);
            }
            let left = wait.saturating_sub(watch.elapsed());
            if task::timeout(left, self.wait()).await.is_none() {
                return Ok(Event::Idle);
            }
        }
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        let pool = self.shared.readers.clone();
        let slot = self.slot(partition)?;
        let mut cursor = Cursor::new(slot.part.clone(), pool, offset);
        cursor.check()?;
        slot.cursor = Some(cursor);
        slot.paused = false;
        Ok(())
    }

    async fn pause(&mut self, partition: &Partition) -> Result<()> {
        self.slot(partition)?.paused = true;
        Ok(())
    }

    async fn resume(&mut self, partition: &Partition) -> Result<()> {
        self.slot(partition)?.paused = false;
        Ok(())
    }

    /// Nothing is ever revoked here: a member holds everything until it leaves.
    async fn release(&mut self, partitions: &[Partition]) -> Result<()> {
        for partition in partitions {
            self.slot(partition)?.cursor = None;
        }
        Ok(())
    }

    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()> {
        let part = self.slot(partition)?.part.clone();
        let consumed = Consumed { membership: self.membership.clone(), part, position, note: record::check_note(note)? };
        self.shared.ask(|reply| Request::CommitPosition { consumed, reply }).await
    }

    fn group(&self) -> Result<Group> {
        Ok(Group { name: self.membership.group().to_owned(), metadata: self.membership.clone() })
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.membership.leave();
        Ok(())
    }
}

impl Drop for SqliteMember {
    /// A `Group` made by this member may live on: it must not keep the partitions.
    fn drop(&mut self) {
        self.membership.leave();
    }
}
