//! A projection's side that writes: one connection, opened when needed and dropped after every error, because only a new one is known to be
//! outside of any transaction. Its server undoes what the dropped one had not committed; where that is under way still, the lock on the
//! position's row makes the next step wait for it.

mod apply;
pub(crate) mod connect;
pub(crate) mod forget;
pub(crate) mod position;
mod rebuild;

use async_trait::async_trait;
use loki_domain::LogId;
use loki_runner::projection::{Item, PlacedChunk, PlacedOutcome};
use loki_runner::{Applied, Batch, Projection, StoreError, Stored};
use loki_wire::Fact;

use crate::config::{Config, Place};
use crate::error::ConfigError;
use crate::metrics;
use crate::sql::{Connection, Fault};
use crate::tables::{CDN_SYSTEM, Family, HISTORY, STATE, TASK_LOGS};
use crate::write::{TableChanges, domain_changes, history_changes, state_changes, task_log_changes};
use apply::Step;

/// The projection of facts into the current state.
pub type StateProjection = Store<Fact>;
/// The projection of facts into domains.
pub type DomainProjection = Store<Fact>;
/// The projection of outcomes into the history.
pub type HistoryProjection = Store<PlacedOutcome>;
/// The projection of chunks into the logs of tasks.
pub type TaskLogProjection = Store<PlacedChunk>;

/// One projection of the store.
pub struct Store<I> {
    place: Place,
    config: Config,
    family: &'static Family,
    changes: fn(&[I]) -> Vec<TableChanges>,
    connection: Option<Connection>,
    /// A rebuild was asked for, as the position's row said last.
    asked: bool,
}

impl StateProjection {
    pub fn state(config: &Config) -> Result<Self, ConfigError> {
        Self::new(config, &STATE, state_changes)
    }

    pub fn domains(config: &Config) -> Result<Self, ConfigError> {
        Self::new(config, &CDN_SYSTEM, domain_changes)
    }
}

impl HistoryProjection {
    pub fn history(config: &Config) -> Result<Self, ConfigError> {
        Self::new(config, &HISTORY, history_changes)
    }
}

impl TaskLogProjection {
    pub fn task_logs(config: &Config) -> Result<Self, ConfigError> {
        Self::new(config, &TASK_LOGS, task_log_changes)
    }
}

impl<I: Item> Store<I> {
    fn new(config: &Config, family: &'static Family, changes: fn(&[I]) -> Vec<TableChanges>) -> Result<Self, ConfigError> {
        let config = config.clone().of(family.database);
        Ok(Self { place: config.place()?, config, family, changes, connection: None, asked: false })
    }

    /// Takes the connection, or opens one. Whoever succeeds with it puts it back.
    async fn take(&mut self) -> Result<Connection, Fault> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect::connect(&self.place, &self.config).await,
        }
    }

    async fn read_position(&mut self) -> Result<Option<Stored>, Fault> {
        let mut connection = self.take().await?;
        let placed = position::read(&mut connection, self.family).await?;
        // Where the tables are gone the database may be, too, and this connection may have been left without one.
        self.connection = placed.is_some().then_some(connection);
        self.asked = placed.is_some_and(|placed| placed.asked);
        Ok(placed.map(|placed| placed.stored))
    }

    async fn write(&mut self, batch: &Batch<'_, I>) -> Result<bool, Fault> {
        let Batch { log, target, from, to, items, state, ended_ms } = *batch;
        let gives_up = batch.gives_up();
        let changes = (self.changes)(items);
        let mut connection = self.take().await?;
        let step = Step { log, target, from, to, state, ended_ms, gives_up };
        let applied = apply::apply(&mut connection, self.family, &step, changes).await?;
        self.connection = Some(connection);
        Ok(applied)
    }

    async fn begin(&mut self, log: LogId, from: u64) -> Result<(), Fault> {
        // A connection of its own: the kept one may be without a database.
        self.connection = None;
        let mut connection = connect::connect_or_create(&self.place, &self.config).await?;
        rebuild::begin(&mut connection, self.family, log, from).await?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn finish(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<bool, Fault> {
        let mut connection = self.take().await?;
        let finished = rebuild::finish(&mut connection, self.family, log, at, ended_ms).await?;
        self.connection = Some(connection);
        Ok(finished)
    }
}

#[async_trait]
impl<I: Item> Projection for Store<I> {
    type Item = I;

    fn name(&self) -> &'static str {
        self.family.name
    }

    async fn stored(&mut self) -> Result<Option<Stored>, StoreError> {
        match self.read_position().await {
            Err(Fault::Emptied(_)) => {
                self.asked = false;
                Ok(None)
            }
            read => Ok(read?),
        }
    }

    fn is_asked(&self) -> bool {
        self.asked
    }

    async fn apply(&mut self, batch: Batch<'_, I>) -> Result<Applied, StoreError> {
        let timer = metrics::apply_timer(self.family.name);
        let applied = refused_when_emptied(self.write(&batch).await)?;
        timer.done();
        Ok(applied)
    }

    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError> {
        Ok(self.begin(log, from).await?)
    }

    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError> {
        refused_when_emptied(self.finish(log, at, ended_ms).await)
    }
}

fn refused_when_emptied(done: Result<bool, Fault>) -> Result<Applied, StoreError> {
    match done {
        Ok(true) => Ok(Applied::Done),
        Ok(false) | Err(Fault::Emptied(_)) => Ok(Applied::Refused),
        Err(fault) => Err(fault.into()),
    }
}
