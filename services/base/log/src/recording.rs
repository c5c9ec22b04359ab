//! A log that remembers who reads and writes what: tests hold it against `read_by` and `written_by` of `topics/`, from which access lists follow.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::declared::declared;
use crate::error::Result;
use crate::port::{Log, Member, Reader, Writer};
use crate::record::{Bounds, Committed, Group, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// Passes everything on.
#[derive(Clone)]
pub struct Recording {
    inner: Arc<dyn Log>,
    read: Names,
    written: Names,
}

#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeSet<String>>>);

impl Names {
    fn note(&self, topic: &Topic) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(topic.as_str()) {
            names.insert(topic.as_str().to_owned());
        }
    }

    fn all(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Recording {
    pub fn new(inner: Arc<dyn Log>) -> Self {
        Self { inner, read: Names::default(), written: Names::default() }
    }

    /// What this service has read and written is what `topics/` says of it, no more and no less.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn check(&self, prefix: &str, service: &str) {
        let all = declared(prefix);
        let of = |names: fn(&crate::Declared) -> &Vec<String>| -> BTreeSet<String> {
            let named = all.iter().filter(|topic| names(topic).iter().any(|name| name == service));
            named.map(|topic| topic.spec.name.clone()).collect()
        };
        assert_eq!(self.read.all(), of(|topic| &topic.read_by), "what `{service}` reads, and whose `read_by` names it");
        assert_eq!(self.written.all(), of(|topic| &topic.written_by), "what `{service}` writes, and whose `written_by` names it");
    }
}

#[async_trait]
impl Log for Recording {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.written.note(&partition.topic);
        self.inner.append(partition, records).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        self.read.note(&partition.topic);
        self.inner.bounds(partition).await
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        self.read.note(&partition.topic);
        self.inner.offset_at(partition, timestamp_ms).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.read.note(&partition.topic);
        self.inner.reader(partition, from).await
    }

    async fn frugal_reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        self.read.note(&partition.topic);
        self.inner.frugal_reader(partition, from).await
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        topics.iter().for_each(|topic| self.read.note(topic));
        self.inner.member(group, topics).await
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(RecordingWriter { inner: self.inner.writer(id).await?, written: self.written.clone() }))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        self.inner.committed(group, partition).await
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        self.inner.members(group).await
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        self.inner.reconcile_topics(specs, apply).await
    }
}

struct RecordingWriter {
    inner: Box<dyn Writer>,
    written: Names,
}

#[async_trait]
impl Writer for RecordingWriter {
    async fn append(&mut self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        self.written.note(&partition.topic);
        self.inner.append(partition, records).await
    }

    async fn commit(&mut self, consumed: Option<(&Group, &Partition, u64)>) -> Result<()> {
        self.inner.commit(consumed).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
