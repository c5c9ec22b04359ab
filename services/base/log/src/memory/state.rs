//! All that a log in memory holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loki_runtime::Clock;
use loki_runtime::clock::Stopwatch;

use super::Options;
use super::group::{Group, Id, News};
use super::member::Token;
use super::part::{Number, Part};
use crate::error::{Error, Result};
use crate::plan;
use crate::record::{Committed, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// A transaction whose end is decided is carried out by then, whoever has died.
const DECIDED_MAX: Duration = Duration::from_secs(5);
/// Kafka's `transaction.timeout.ms` as the decider has it.
const TRANSACTION_IDLE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct State {
    clock: Clock,
    session: Duration,
    pub(super) as_kafka: bool,
    makes_topics: bool,
    topics: BTreeMap<Topic, TopicSpec>,
    parts: BTreeMap<Partition, Part>,
    groups: BTreeMap<String, Group>,
    producers: BTreeMap<String, Producer>,
    last_member: Id,
    last_transaction: Number,
    /// Calls that are still to fail.
    pub(super) away: u64,
    /// Commits that are still to be decided and not carried out at once.
    pub(super) slow_commits: u64,
    pub(super) readers: u64,
}

/// An older copy of some topics.
#[derive(Debug, Clone)]
pub struct Copy {
    parts: BTreeMap<Partition, Part>,
    committed: BTreeMap<String, BTreeMap<Partition, Committed>>,
}

/// All writers of one name: only the last one may write.
#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    open: Option<Open>,
    /// Its end is decided, and nobody can see it yet.
    decided: Option<Decided>,
    /// Its transaction was idle for too long and is undone, which it does not know yet.
    is_expired: bool,
}

#[derive(Debug)]
struct Decided {
    open: Option<Open>,
    consumed: Option<(Arc<Token>, Partition, u64)>,
    since: Stopwatch,
}

#[derive(Debug)]
struct Open {
    number: Number,
    parts: Vec<Partition>,
    idle: Stopwatch,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let Options { clock, session, as_kafka, makes_topics } = options;
        Self {
            clock,
            session,
            as_kafka,
            makes_topics,
            topics: BTreeMap::new(),
            parts: BTreeMap::new(),
            groups: BTreeMap::new(),
            producers: BTreeMap::new(),
            last_member: 0,
            last_transaction: 0,
            away: 0,
            slow_commits: 0,
            readers: 0,
        }
    }

    /// What has been quiet for too long is gone.
    pub(super) fn expire(&mut self) {
        if !self.session.is_zero() {
            self.groups.values_mut().for_each(|group| group.expire(self.session));
        }
        let is_over = |producer: &Producer| producer.decided.as_ref().is_some_and(|decided| decided.since.elapsed() > DECIDED_MAX);
        let over: Vec<String> = self.producers.iter().filter(|(_, producer)| is_over(producer)).map(|(name, _)| name.clone()).collect();
        over.iter().for_each(|name| self.carry_out(name));
        for producer in self.producers.values_mut() {
            if let Some(open) = producer.open.take_if(|open| open.idle.elapsed() > TRANSACTION_IDLE_MAX) {
                producer.is_expired = true;
                finish(&mut self.parts, &open, false);
            }
        }
    }

    pub(super) fn part(&self, partition: &Partition) -> Result<&Part> {
        match self.parts.get(partition) {
            Some(part) => Ok(part),
            None => Err(self.missing(partition)),
        }
    }

    /// The same of one that is asked for by name.
    pub(super) fn named(&mut self, partition: &Partition) -> Result<&Part> {
        self.make(&partition.topic, partition.number + 1);
        self.part(partition)
    }

    pub(super) fn part_mut(&mut self, partition: &Partition) -> Result<&mut Part> {
        self.make(&partition.topic, partition.number + 1);
        if !self.parts.contains_key(partition) {
            return Err(self.missing(partition));
        }
        Ok(self.parts.entry(partition.clone()).or_insert_with(|| Part::new(partition.clone())))
    }

    fn missing(&self, partition: &Partition) -> Error {
        match self.topics.get(&partition.topic) {
            Some(spec) => {
                let (topic, partitions) = (&spec.name, spec.partitions);
                Error::Invalid(format!("`{partition}` does not exist: topic `{topic}` has {partitions} partitions"))
            }
            None => Error::NoSuchTopic(partition.topic.to_string()),
        }
    }

    /// A topic that is named exists, if that is so here, with as many partitions as were named.
    fn make(&mut self, topic: &Topic, partitions: u32) {
        if self.makes_topics && self.topics.get(topic).is_none_or(|spec| spec.partitions < partitions) {
            self.store(&TopicSpec { timestamp: crate::Timestamp::Create, ..TopicSpec::new(topic.as_str(), partitions) });
        }
    }

    fn store(&mut self, spec: &TopicSpec) {
        let topic = Topic::new(&spec.name);
        for number in 0..spec.partitions {
            let partition = Partition::new(topic.clone(), number);
            self.parts.entry(partition.clone()).or_insert_with(|| Part::new(partition));
        }
        self.topics.insert(topic, spec.clone());
    }

    pub(super) fn partitions(&self, topics: &[Topic]) -> Vec<Partition> {
        self.parts.keys().filter(|partition| topics.contains(&partition.topic)).cloned().collect()
    }

    pub(super) fn reconcile(&mut self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        let (changes, store) = plan::plan(|topic| self.topics.get(topic).cloned(), specs)?;
        if apply {
            store.iter().for_each(|spec| self.store(spec));
        }
        Ok(changes)
    }

    pub(super) fn copy(&self, topics: &[Topic]) -> Copy {
        let committed =
            |group: &Group| group.committed.iter().filter(|(partition, _)| topics.contains(&partition.topic)).map(clone).collect();
        Copy {
            parts: self.parts.iter().filter(|(partition, _)| topics.contains(&partition.topic)).map(clone).collect(),
            committed: self.groups.iter().map(|(name, group)| (name.clone(), committed(group))).collect(),
        }
    }

    /// What was under way in it is undone.
    pub(super) fn set_back(&mut self, copy: &Copy) {
        for producer in self.producers.values_mut() {
            producer.epoch += 1;
            (producer.open, producer.decided) = (None, None);
        }
        self.parts.extend(copy.parts.iter().map(clone));
        for (name, group) in &mut self.groups {
            group.committed.retain(|partition, _| !copy.parts.contains_key(partition));
            group.committed.extend(copy.committed.get(name).into_iter().flatten().map(clone));
        }
        self.parts.values_mut().for_each(Part::abort_all);
    }

    pub(super) fn clean(&mut self) {
        let now_ms = self.clock.now_ms();
        for (partition, part) in &mut self.parts {
            if let Some(spec) = self.topics.get(&partition.topic) {
                part.clean(spec, now_ms);
            }
        }
    }
}

/// Appends.
impl State {
    pub(super) fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.place(partition, records, None)
    }

    pub(super) fn write(&mut self, partition: &Partition, records: Vec<NewRecord>, marker: bool) -> Result<u64> {
        self.last_transaction += 1;
        let number = self.last_transaction;
        let count = records.len() as u64;
        let offsets = self.place(partition, records, marker.then_some(number))?;
        let part = self.part_mut(partition)?;
        match marker && offsets.is_empty() {
            // as one that was aborted, and compacted away since
            true => part.mark(),
            false => part.finish(number, true),
        }
        Ok(offsets.first().copied().unwrap_or_else(|| part.bounds().end - count))
    }

    fn place(&mut self, partition: &Partition, records: Vec<NewRecord>, by: Option<Number>) -> Result<Vec<u64>> {
        let now_ms = self.clock.now_ms();
        self.part_mut(partition)?;
        let Some(spec) = self.topics.get(&partition.topic).cloned() else { return Err(self.missing(partition)) };
        let part = self.part_mut(partition)?;
        part.check(&spec, &records)?;
        Ok(part.append(&spec, records, by, now_ms))
    }

    /// Ends what the writers before it have begun.
    pub(super) fn open_writer(&mut self, name: &str) -> u64 {
        self.carry_out(name);
        let producer = self.producers.entry(name.to_owned()).or_default();
        producer.epoch += 1;
        producer.is_expired = false;
        if let Some(open) = producer.open.take() {
            finish(&mut self.parts, &open, false);
        }
        producer.epoch
    }

    fn producer(&mut self, name: &str, epoch: u64) -> Result<&mut Producer> {
        let producer = self.producers.entry(name.to_owned()).or_default();
        match producer.epoch == epoch {
            true => Ok(producer),
            false => Err(Error::Fenced(format!("another writer `{name}` was opened"))),
        }
    }

    pub(super) fn append_in_transaction(&mut self, name: &str, epoch: u64, to: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let number = self.last_transaction + 1;
        self.producer(name, epoch)?;
        self.carry_out(name);
        let producer = self.producer(name, epoch)?;
        if producer.is_expired {
            return Err(Error::Aborted("it was idle for too long".to_owned()));
        }
        let begun = producer.open.as_ref().map(|open| open.number);
        let offsets = self.place(to, records, Some(begun.unwrap_or(number)))?;
        self.last_transaction = self.last_transaction.max(begun.unwrap_or(number));
        let producer = self.producer(name, epoch)?;
        let open = producer.open.get_or_insert_with(|| Open { number, parts: Vec::new(), idle: Stopwatch::start() });
        open.idle = Stopwatch::start();
        if !open.parts.contains(to) {
            open.parts.push(to.clone());
        }
        Ok(offsets)
    }

    pub(super) fn commit_transaction(&mut self, name: &str, epoch: u64, consumed: Option<(Arc<Token>, Partition, u64)>) -> Result<()> {
        let producer = self.producer(name, epoch)?;
        if producer.is_expired {
            return Err(Error::Aborted("it was idle for too long".to_owned()));
        }
        if let Some((token, partition, _)) = &consumed
            && !self.holds(token, partition)
        {
            return Err(Error::Aborted("the member no longer holds the partition".to_owned()));
        }
        let is_slow = self.slow_commits > 0;
        let producer = self.producer(name, epoch)?;
        if producer.decided.is_none() {
            let open = producer.open.take();
            producer.decided = Some(Decided { open, consumed, since: Stopwatch::start() });
            if is_slow {
                self.slow_commits -= 1;
                return Err(Error::Away("it is decided, and not carried out yet".to_owned()));
            }
        }
        self.carry_out(name);
        Ok(())
    }

    pub(super) fn is_committing(&self) -> bool {
        self.producers.values().any(|producer| producer.decided.is_some())
    }

    pub(super) fn is_writing(&self) -> bool {
        self.producers.values().any(|producer| producer.open.is_some() || producer.decided.is_some())
    }

    /// What was decided becomes visible.
    fn carry_out(&mut self, name: &str) {
        let Some(Decided { open, consumed, .. }) = self.producers.get_mut(name).and_then(|producer| producer.decided.take()) else {
            return;
        };
        if let Some(open) = open {
            finish(&mut self.parts, &open, true);
        }
        if let Some((token, partition, position)) = consumed {
            self.group(&token.group).committed.insert(partition, Committed { position, note: None });
        }
    }

    pub(super) fn abort_transaction(&mut self, name: &str, epoch: u64) -> Result<()> {
        let producer = self.producer(name, epoch)?;
        if producer.decided.is_some() {
            return Err(Error::Fenced("its commit is decided".to_owned()));
        }
        producer.is_expired = false;
        let open = producer.open.take();
        if let Some(open) = open {
            finish(&mut self.parts, &open, false);
        }
        Ok(())
    }
}

/// Groups.
impl State {
    pub(super) fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    pub(super) fn size(&self, name: &str) -> Option<usize> {
        self.groups.get(name).map(Group::size).filter(|size| *size > 0)
    }

    pub(super) fn join(&mut self, name: &str, topics: &[Topic]) -> Result<Id> {
        for topic in topics {
            self.make(topic, 1);
            if !self.topics.contains_key(topic) {
                return Err(Error::NoSuchTopic(topic.to_string()));
            }
        }
        let mut sorted = topics.to_vec();
        sorted.sort();
        self.last_member += 1;
        let id = self.last_member;
        let group = self.group(name);
        if group.size() > 0 && group.topics != sorted {
            return Err(Error::Invalid(format!("all members of group `{name}` must read the same topics")));
        }
        group.topics = sorted;
        group.join(id);
        Ok(id)
    }

    pub(super) fn news(&mut self, token: &Token, all: &[Partition]) -> Option<News> {
        let group = self.group(&token.group);
        group.sees(token.id);
        group.news(token.id, all)
    }

    pub(super) fn holds(&self, token: &Token, partition: &Partition) -> bool {
        self.groups.get(&token.group).is_some_and(|group| group.holds(token.id, partition))
    }
}

fn clone<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn finish(parts: &mut BTreeMap<Partition, Part>, open: &Open, is_committed: bool) {
    for partition in &open.parts {
        if let Some(part) = parts.get_mut(partition) {
            part.finish(open.number, is_committed);
        }
    }
}
