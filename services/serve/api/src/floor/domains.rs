//! The reader of domains, of a store that is far enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::Position;
use loki_mysql::port::{Answer, DomainFilter, DomainReader, DomainView, Dump, Listed, Page, ReadError};
use loki_runner::Stored;

use super::Floor;

pub(super) struct DomainsAbove {
    pub(super) inner: Arc<dyn DomainReader>,
    pub(super) floor: Floor,
}

#[async_trait]
impl DomainReader for DomainsAbove {
    /// What the store says of itself, whatever it is worth.
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.inner.stored().await
    }

    /// The answer that is waited for is checked itself.
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.inner.wait(at_least, limit).await
    }

    async fn domains(
        &self,
        filter: &DomainFilter,
        page: &Page,
        at_least: Option<Position>,
    ) -> Result<Answer<Option<Listed<DomainView>>>, ReadError> {
        self.floor.above(self.inner.domains(filter, page, at_least)).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let lowest = self.floor.now()?;
        let dump = self.inner.dump(at_least).await?;
        self.floor.check(lowest, dump.stored().position)?;
        Ok(dump)
    }
}
