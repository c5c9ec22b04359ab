//! The reader of the history, of a store that is far enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Entity, Key, Kind, Position};
use loki_mysql::port::{
    Answer, AuditFilter, Difference, Dump, Entry, HistoryReader, Listed, Moment, Page, PastState, ReadError, StoredOutcome, Version,
    Written,
};
use loki_runner::Stored;

use super::Floor;

pub(super) struct HistoryAbove {
    pub(super) inner: Arc<dyn HistoryReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl HistoryReader for HistoryAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.inner.wait(at_least, limit).await
    }

    async fn outcome(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<StoredOutcome>>, ReadError> {
        self.floor.above(self.inner.outcome(command, at_least)).await
    }

    async fn outcomes_by_id(
        &self,
        id: &str,
        actor: Option<&str>,
        at_least: Option<Position>,
    ) -> Result<Answer<Vec<StoredOutcome>>, ReadError> {
        self.floor.above(self.inner.outcomes_by_id(id, actor, at_least)).await
    }

    async fn audit(&self, filter: &AuditFilter, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Entry>>, ReadError> {
        self.floor.above(self.inner.audit(filter, page, at_least)).await
    }

    async fn state_at(&self, kinds: &[Kind], at: Moment, at_least: Option<Position>) -> Result<Answer<PastState>, ReadError> {
        self.floor.above(self.inner.state_at(kinds, at, at_least)).await
    }

    async fn diff(
        &self,
        from: Moment,
        to: Moment,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Listed<Difference>>, ReadError> {
        self.floor.above(self.inner.diff(from, to, page, at_least)).await
    }

    async fn versions(&self, key: &Key, page: &Page, at_least: Option<Position>) -> Result<Answer<Listed<Version>>, ReadError> {
        self.floor.above(self.inner.versions(key, page, at_least)).await
    }

    async fn current(&self, keys: &[Key], at_least: Option<Position>) -> Result<Answer<BTreeMap<Key, Entity>>, ReadError> {
        self.floor.above(self.inner.current(keys, at_least)).await
    }

    async fn written(&self, command: u64, at_least: Option<Position>) -> Result<Answer<Option<Vec<Written>>>, ReadError> {
        self.floor.above(self.inner.written(command, at_least)).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let lowest = self.floor.now()?;
        let dump = self.inner.dump(at_least).await?;
        self.floor.check(lowest, dump.stored().position)?;
        Ok(dump)
    }
}
