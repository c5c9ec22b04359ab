//! A member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::group::{Id, News};
use super::part::Cursor;
use super::{MemoryLog, State};
use crate::error::{Error, Result};
use crate::port::{Event, Member};
use crate::record::{self, Committed, Group, Partition};
use crate::topic::Topic;

#[derive(Debug)]
pub(super) struct MemoryMember {
    log: MemoryLog,
    token: Arc<Token>,
    topics: Vec<Topic>,
    /// What it was told that it has: a partition that was taken away is read on until it hears of that, as a Kafka client does.
    told: BTreeSet<Partition>,
    reading: BTreeMap<Partition, Reading>,
    /// Whose turn it is: each partition gets its own.
    last: Option<Partition>,
}

/// Who it is, in a [`Group`].
#[derive(Debug)]
pub(super) struct Token {
    pub(super) group: String,
    pub(super) id: Id,
}

#[derive(Debug)]
struct Reading {
    cursor: Cursor,
    is_paused: bool,
}

impl MemoryMember {
    pub(super) fn new(log: MemoryLog, group: &str, id: Id, topics: Vec<Topic>) -> Self {
        let token = Arc::new(Token { group: group.to_owned(), id });
        Self { log, token, topics, told: BTreeSet::new(), reading: BTreeMap::new(), last: None }
    }

    fn take(&mut self, max: usize) -> Result<Option<Event>> {
        let log = self.log.clone();
        let mut state = log.up()?;
        let all = state.partitions(&self.topics);
        if let Some(news) = state.news(&self.token, &all) {
            return Ok(Some(match news {
                News::Assigned(partitions) => {
                    self.told.extend(partitions.iter().cloned());
                    Event::Assigned(partitions)
                }
                News::Revoked(partitions) => Event::Revoked(partitions),
                News::Lost(partitions) => {
                    self.forget(&partitions);
                    Event::Lost(partitions)
                }
            }));
        }
        self.records(&state, max)
    }

    fn records(&mut self, state: &State, max: usize) -> Result<Option<Event>> {
        let after = self.last.clone();
        let (later, first): (Vec<_>, Vec<_>) =
            self.reading.iter_mut().filter(|(_, reading)| !reading.is_paused).partition(|(partition, _)| after.as_ref() < Some(*partition));
        for (partition, reading) in later.into_iter().chain(first) {
            if let Some(batch) = state.part(partition)?.read(&mut reading.cursor, max, state.as_kafka)? {
                self.last = Some(partition.clone());
                return Ok(Some(Event::Records { partition: partition.clone(), batch }));
            }
        }
        Ok(None)
    }

    fn forget(&mut self, partitions: &[Partition]) {
        self.told.retain(|partition| !partitions.contains(partition));
        self.reading.retain(|partition, _| !partitions.contains(partition));
    }

    fn set_paused(&mut self, partition: &Partition, is_paused: bool) -> Result<()> {
        check(self.told.contains(partition), partition)?;
        if let Some(reading) = self.reading.get_mut(partition) {
            reading.is_paused = is_paused;
        }
        Ok(())
    }
}

fn check(is_its: bool, partition: &Partition) -> Result<()> {
    match is_its {
        true => Ok(()),
        false => Err(Error::Invalid(format!("`{partition}` is not assigned to this member"))),
    }
}

#[async_trait]
impl Member for MemoryMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        let log = self.log.clone();
        Ok(log.wait_for(wait, || self.take(max)).await?.unwrap_or(Event::Idle))
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        let log = self.log.clone();
        let mut state = log.up()?;
        check(self.told.contains(partition), partition)?;
        state.part(partition)?.check_place(offset, offset == 0)?;
        state.group(&self.token.group).starts += 1;
        self.reading.insert(partition.clone(), Reading { cursor: Cursor::new(offset), is_paused: false });
        Ok(())
    }

    async fn pause(&mut self, partition: &Partition) -> Result<()> {
        self.set_paused(partition, true)
    }

    async fn resume(&mut self, partition: &Partition) -> Result<()> {
        self.set_paused(partition, false)
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<()> {
        self.forget(partitions);
        self.log.lock().group(&self.token.group).release(self.token.id, partitions);
        self.log.tell();
        Ok(())
    }

    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()> {
        let note = record::check_note(note)?;
        let mut state = self.log.up()?;
        check(state.holds(&self.token, partition), partition)?;
        state.group(&self.token.group).committed.insert(partition.clone(), Committed { position, note });
        Ok(())
    }

    fn group(&self) -> Result<Group> {
        Ok(Group { name: self.token.group.clone(), metadata: self.token.clone() })
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.log.lock().group(&self.token.group).leave(self.token.id);
        self.log.tell();
        Ok(())
    }
}

impl Drop for MemoryMember {
    /// A process that is gone says nothing: its group learns of it when its session has expired.
    fn drop(&mut self) {
        if self.log.session().is_zero() {
            self.log.lock().group(&self.token.group).leave(self.token.id);
            self.log.tell();
        }
    }
}
