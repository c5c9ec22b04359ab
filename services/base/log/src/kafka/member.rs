//! A member of a consumer group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use rdkafka::consumer::{CommitMode, Consumer};

use super::context::{self, Change};
use super::feed::{Fault, Feed};
use super::questions::blocking;
use super::source::{Closing, Source};
use super::{Shared, convert, fault};
use crate::error::{Error, Result};
use crate::port::{Event, Member};
use crate::record::{self, Group, Partition};
use crate::topic::Topic;

pub(super) struct KafkaMember {
    shared: Arc<Shared>,
    group: String,
    client: Closing<Client>,
    /// The partition that is looked at first: each gets its turn.
    turn: usize,
}

/// Dropped together, the feeds first; dropping leaves the group.
struct Client {
    slots: BTreeMap<Partition, Slot>,
    /// Revoked, and not all of them released yet.
    revoked: Vec<Partition>,
    source: Source,
}

#[derive(Default)]
struct Slot {
    feed: Option<Feed>,
    paused: bool,
    released: bool,
    /// The position that the log does not have: told by every call until another one is started at.
    refused: Option<u64>,
}

impl KafkaMember {
    pub(super) fn join(shared: Arc<Shared>, group: &str, topics: &[Topic]) -> Result<Self> {
        let source = Source::open(&shared.config.member(group))?;
        let names: Vec<_> = topics.iter().map(Topic::as_str).collect();
        let failed = |error| fault::classify(&format!("cannot join group `{group}`"), &error);
        source.consumer().subscribe(&names).map_err(failed)?;
        let client = Client { slots: BTreeMap::new(), revoked: Vec::new(), source };
        Ok(Self { shared, group: group.to_owned(), client: Closing::new(client), turn: 0 })
    }

    /// An event that is there already.
    async fn take(&mut self, max: usize) -> Result<Option<Event>> {
        let client = self.client.get();
        client.source.serve()?;
        if let Some(change) = client.source.consumer().context().next_change() {
            return Ok(Some(client.change(change)));
        }
        let count = client.slots.len();
        let turn = self.turn;
        let mut slots = client.slots.iter_mut().enumerate().collect::<Vec<_>>();
        slots.rotate_left(if count == 0 { 0 } else { turn % count });
        for (index, (partition, slot)) in slots {
            if slot.paused || slot.released {
                continue;
            }
            if let Some(position) = slot.refused {
                return Err(self.shared.questions.refused(partition, position).await);
            }
            let Some(feed) = slot.feed.as_mut() else { continue };
            match feed.take(max).await {
                Ok(None) => {}
                Ok(Some(batch)) => {
                    self.turn = index + 1;
                    return Ok(Some(Event::Records { partition: partition.clone(), batch }));
                }
                Err(Fault::Other(error)) => return Err(error),
                Err(Fault::OutOfRange) => {
                    // Remembered first: whoever waits for the answer may be gone before it comes.
                    let position = feed.position();
                    slot.refused = Some(position);
                    if let Some(feed) = slot.feed.take() {
                        feed.close()?;
                    }
                    return Err(self.shared.questions.refused(partition, position).await);
                }
            }
        }
        Ok(None)
    }

    fn held(&mut self, partition: &Partition) -> Result<&mut Slot> {
        let slot = self.client.get().slots.get_mut(partition).filter(|slot| !slot.released);
        slot.ok_or_else(|| Error::Invalid(format!("`{partition}` is not assigned to this member")))
    }
}

impl Client {
    fn change(&mut self, change: Change) -> Event {
        match change {
            Change::Assigned(partitions) => {
                self.slots.extend(partitions.iter().map(|partition| (partition.clone(), Slot::default())));
                Event::Assigned(partitions)
            }
            Change::Revoked(partitions) => {
                self.revoked.extend(partitions.iter().cloned());
                Event::Revoked(partitions)
            }
            Change::Lost(partitions) => {
                self.slots.retain(|partition, _| !partitions.contains(partition));
                self.revoked.retain(|partition| !partitions.contains(partition));
                Event::Lost(partitions)
            }
        }
    }
}

impl Drop for Client {
    /// A revocation that nobody acknowledges any more would hold up the leaving.
    fn drop(&mut self) {
        let consumer = self.source.consumer();
        consumer.context().close();
        while let Some(change) = consumer.context().next_change() {
            if let Change::Revoked(partitions) = change {
                self.revoked.extend(partitions);
            }
        }
        if !self.revoked.is_empty() {
            context::unassign(consumer, &self.revoked);
        }
    }
}

#[async_trait]
impl Member for KafkaMember {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Event> {
        let watch = Stopwatch::start();
        loop {
            if let Some(event) = self.take(max).await? {
                return Ok(event);
            }
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(Event::Idle);
            }
            self.client.get().source.wait(left).await;
        }
    }

    async fn start(&mut self, partition: &Partition, offset: u64) -> Result<()> {
        self.held(partition)?;
        let offset = self.shared.questions.place(partition, offset).await?;
        let slot = self.held(partition)?;
        (slot.paused, slot.refused) = (false, None);
        if let Some(feed) = slot.feed.take() {
            feed.close()?;
        }
        let feed = Feed::open(&self.client.get().source, partition, offset)?;
        self.held(partition)?.feed = Some(feed);
        Ok(())
    }

    /// Its queue is no longer taken from; librdkafka fetches on until the queue is full.
    async fn pause(&mut self, partition: &Partition) -> Result<()> {
        self.held(partition)?.paused = true;
        Ok(())
    }

    async fn resume(&mut self, partition: &Partition) -> Result<()> {
        self.held(partition)?.paused = false;
        Ok(())
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<()> {
        let client = self.client.get();
        for partition in partitions {
            if let Some(slot) = client.slots.get_mut(partition) {
                slot.released = true;
            }
        }
        let waits = client.revoked.iter().any(|partition| client.slots.get(partition).is_some_and(|slot| !slot.released));
        if client.revoked.is_empty() || waits {
            return Ok(());
        }
        let revoked = std::mem::take(&mut client.revoked);
        client.slots.retain(|partition, _| !revoked.contains(partition));
        context::unassign(client.source.consumer(), &revoked);
        Ok(())
    }

    async fn commit(&mut self, partition: &Partition, position: u64, note: Option<&str>) -> Result<()> {
        self.held(partition)?;
        let note = record::check_note(note)?;
        let failed = |error| fault::classify(&format!("the position of `{partition}` was not committed"), &error);
        let list = convert::position(partition, position, note.as_deref()).map_err(failed)?;
        let consumer = self.client.get().source.consumer().clone();
        let work = blocking("kafka.commit", move || consumer.commit(&list, CommitMode::Sync));
        match task::timeout(self.shared.config.request_timeout, work).await {
            Some(result) => result?.map_err(failed),
            None => Err(Error::Away(format!("the position of `{partition}` was not committed in time"))),
        }
    }

    fn group(&self) -> Result<Group> {
        let metadata = self.client.peek().source.consumer().group_metadata();
        let metadata = metadata.ok_or_else(|| Error::Invalid(format!("group `{}` has no metadata", self.group)))?;
        Ok(Group { name: self.group.clone(), metadata: Arc::new(metadata) })
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.client.close().await
    }
}
