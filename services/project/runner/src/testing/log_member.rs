//! Groups and members of the log in memory: one member holds everything, the others stand by in the order in which they joined.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use loki_log::{Committed, Error, Event, Member, Partition, Result};
use loki_runtime::task;

use super::log::{Cursor, MemoryLog};

#[derive(Debug, Default)]
pub(super) struct Group {
    queue: VecDeque<u64>,
    holder: Option<u64>,
    revoking: bool,
    lost: BTreeSet<u64>,
    pub(super) committed: HashMap<Partition, Committed>,
    pub(super) polls: u64,
    pub(super) starts: u64,
}

impl Group {
    pub(super) fn size(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn revoke(&mut self) {
        self.revoking = self.holder.is_some();
    }

    pub(super) fn lose(&mut self) {
        if let Some(holder) = self.holder {
            self.lost.insert(holder);
            self.give_up(holder);
        }
    }

    /// The partitions go to the next in line; who had them stands at the back.
    fn give_up(&mut self, member: u64) {
        self.holder = None;
        self.revoking = false;
        self.queue.retain(|other| *other != member);
        self.queue.push_back(member);
    }

    fn leave(&mut self, member: u64) {
        if self.holder == Some(member) {
            (self.holder, self.revoking) = (None, false);
        }
        self.lost.remove(&member);
        self.queue.retain(|other| *other != member);
    }
}

#[derive(Debug)]
pub(super) struct MemoryMember {
    log: MemoryLog,
    group: String,
    id: u64,
    partition: Partition,
    assigned: bool,
    revoked_told: bool,
    paused: bool,
    cursor: Option<Cursor>,
}

impl MemoryMember {
    pub(super) fn join(log: MemoryLog, group: &str, partition: Partition) -> Self {
        let id = {
            let mut state = log.lock();
            state.members += 1;
            let id = state.members;
            state.groups.entry(group.to_owned()).or_default().queue.push_back(id);
            id
        };
        Self { log, group: group.to_owned(), id, partition, assigned: false, revoked_told: false, paused: false, cursor: None }
    }

    fn take(&mut self, max: usize) -> Result<Option<Event>> {
        let log = self.log.clone();
        let mut state = log.lock();
        state.check_up()?;
        let id = self.id;
        let Some(group) = state.groups.get_mut(&self.group) else { return Ok(None) };
        if group.lost.remove(&id) && self.assigned {
            self.forget();
            return Ok(Some(Event::Lost(vec![self.partition.clone()])));
        }
        if !self.assigned {
            if group.holder.is_none() && group.queue.front() == Some(&id) {
                group.holder = Some(id);
            }
            if group.holder != Some(id) {
                return Ok(None);
            }
            self.assigned = true;
            return Ok(Some(Event::Assigned(vec![self.partition.clone()])));
        }
        if group.revoking && !self.revoked_told {
            self.revoked_told = true;
            return Ok(Some(Event::Revoked(vec![self.partition.clone()])));
        }
        let Some(cursor) = self.cursor.as_mut().filter(|_| !self.paused) else { return Ok(None) };
        let batch = state.read(&self.partition, cursor, max)?;
        Ok(batch.map(|batch| Event::Records { partition: self.partition.clone(), batch }))
    }

    fn forget(&mut self) {
        (self.assigned, self.revoked_told, self.paused, self.cursor) = (false, false, false, None);
    }

    fn check(&self) -> Result<()> {
        let held = self.assigned && self.log.lock().groups.get(&self.group).is_some_and(|group| group.holder == Some(self.id));
        if held { Ok(()) } else { Err(Error::Invalid(format!("`{}` is not assigned to this member", self.partition))) }
    }

    fn up(&self) -> Result<()> {
        self.log.lock().check_up()
    }
}

#[async_trait]
impl Member for MemoryMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        if let Some(group) = self.log.lock().groups.get_mut(&self.group) {
            group.polls += 1;
        }
        let mut changes = self.log.changes();
        let waited = task::timeout(wait, async {
            loop {
                changes.mark_unchanged();
                if let Some(event) = self.take(max)? {
                    return Ok(event);
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        waited.await.unwrap_or(Ok(Event::Idle))
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        self.up()?;
        debug_assert_eq!(*partition, self.partition);
        self.check()?;
        (self.cursor, self.paused) = (Some(Cursor::new(offset)), false);
        if let Some(group) = self.log.lock().groups.get_mut(&self.group) {
            group.starts += 1;
        }
        Ok(())
    }

    async fn pause(&mut self, _partition: &Partition) -> Result<()> {
        self.paused = true;
        Ok(())
    }

    async fn resume(&mut self, _partition: &Partition) -> Result<()> {
        self.paused = false;
        Ok(())
    }

    async fn release(&mut self, _partitions: &[Partition]) -> Result<()> {
        self.forget();
        let id = self.id;
        if let Some(group) = self.log.lock().groups.get_mut(&self.group).filter(|group| group.holder == Some(id)) {
            group.give_up(id);
        }
        self.log.tell();
        Ok(())
    }

    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()> {
        self.up()?;
        self.check()?;
        self.log.store_committed(&self.group, partition, Committed { position, note: note.map(str::to_owned) });
        Ok(())
    }

    fn group(&self) -> Result<loki_log::Group> {
        Err(Error::Invalid("this log has no transactions".to_owned()))
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryMember {
    fn drop(&mut self) {
        if let Some(group) = self.log.lock().groups.get_mut(&self.group) {
            group.leave(self.id);
        }
        self.log.tell();
    }
}
