//! The reader of the history. Questions that go over many rows are few at once, so that the others are answered meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Entity, Key, Kind, Position};
use loki_runner::Stored;

use super::dump::{self, Lines};
use super::snapshot::Source;
use super::wait::Waiting;
use super::{audit, versions};
use crate::port::{
    Answer, AuditFilter, Difference, Dump, Entry, HistoryReader, Listed, Moment, Page, PastState, ReadError, StoredOutcome, Version,
    Written,
};

pub(super) struct History {
    source: Arc<Source>,
    waiting: Waiting,
}

impl History {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { waiting: Waiting::new(Arc::clone(&source)), source }
    }
}

#[async_trait]
impl HistoryReader for History {
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.source.stored().await
    }

    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.waiting.until(at_least, limit).await
    }

    async fn outcome(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<StoredOutcome>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let outcome = audit::outcome(&mut snapshot, command).await?;
        self.source.answer(snapshot, outcome).await
    }

    async fn outcomes_by_id(
        &self,
        id: &str,
        actor: Option<&str>,
        at_least: Option<Position>,
    ) -> Result<Answer<Vec<StoredOutcome>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let outcomes = audit::outcomes_by_id(&mut snapshot, id, actor).await?;
        self.source.answer(snapshot, outcomes).await
    }

    async fn audit(&self, filter: &AuditFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Entry>>, ReadError> {
        let _place = self.source.heavy().await?;
        let mut snapshot = self.source.open(at_least).await?;
        let entries = audit::audit(&mut snapshot, filter, page).await?;
        self.source.answer(snapshot, entries).await
    }

    async fn state_at(&self, kinds: &[Kind], at: Moment, at_least: Option<Position>) -> Result<Answer<PastState>, ReadError> {
        let _place = self.source.heavy().await?;
        let mut snapshot = self.source.open(at_least).await?;
        let state = versions::state_at(&mut snapshot, kinds, at).await?;
        self.source.answer(snapshot, state).await
    }

    async fn diff(
        &self,
        from: Moment,
        to: Moment,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<Difference>>, ReadError> {
        let _place = self.source.heavy().await?;
        let mut snapshot = self.source.open(at_least).await?;
        let differences = versions::diff(&mut snapshot, from, to, page).await?;
        self.source.answer(snapshot, differences).await
    }

    async fn versions(&self, key: &Key, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Version>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let versions = versions::versions(&mut snapshot, key, page).await?;
        self.source.answer(snapshot, versions).await
    }

    async fn current(&self, keys: &[Key], at_least: Option<Position>) -> Result<Answer<BTreeMap<Key, Entity>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let entities = versions::current(&mut snapshot, keys).await?;
        self.source.answer(snapshot, entities).await
    }

    async fn written(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<Vec<Written>>>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let written = versions::written(&mut snapshot, command).await?;
        self.source.answer(snapshot, written).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let snapshot = self.source.open(at_least).await?;
        let (connection, stored) = self.source.keep(snapshot);
        Ok(Box::new(Lines::new(connection, stored, &dump::HISTORY)))
    }
}
