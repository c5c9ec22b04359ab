//! Answering: one snapshot per question, its position first.

mod audit;
mod deploys;
mod domains;
mod dump;
mod history;
mod inherit;
mod moment;
mod nodes;
mod progress;
mod servers;
mod snapshot;
mod state;
mod task_logs;
mod versions;
mod wait;

use std::sync::Arc;

use loki_domain::Stream;

use crate::config::{Config, Place};
use crate::database::Database;
use crate::error::ConfigError;
use crate::port::{DeployReader, DomainReader, HistoryReader, ReadError, StateReader, TaskLogReader};
use crate::sql::Pool;
use crate::tables::{CDN_SYSTEM, HISTORY, STATE, TASK_LOGS};
use crate::{mysql, sqlite};
use snapshot::Source;

/// The readers of the database `loki`, on one pool. Cheap to clone. Nothing is connected before the first question.
#[derive(Clone)]
pub struct Readers {
    pub state: Arc<dyn StateReader>,
    pub deploys: Arc<dyn DeployReader>,
    pub history: Arc<dyn HistoryReader>,
    pub task_logs: Arc<dyn TaskLogReader>,
}

impl Readers {
    /// Must be called within a Tokio runtime.
    pub fn open(config: &Config) -> Result<Self, ConfigError> {
        let pool = pool(config)?;
        let state = Source::new(Arc::<Pool>::clone(&pool), &STATE, Stream::Fact);
        let history = Source::new(Arc::<Pool>::clone(&pool), &HISTORY, Stream::Outcome);
        let task_logs = Source::new(pool, &TASK_LOGS, Stream::TaskLog);
        Ok(Self {
            deploys: Arc::new(deploys::Deploys::new(Arc::clone(&state))),
            state: Arc::new(state::State::new(state)),
            history: Arc::new(history::History::new(history)),
            task_logs: Arc::new(task_logs::TaskLogs::new(task_logs)),
        })
    }
}

/// The reader of domains. Nothing is connected before the first question. Must be called within a Tokio runtime.
pub fn domain_reader(config: &Config) -> Result<Arc<dyn DomainReader>, ConfigError> {
    let source = Source::new(pool(&config.clone().of(Database::CdnSystem))?, &CDN_SYSTEM, Stream::Fact);
    Ok(Arc::new(domains::Domains::new(source)))
}

fn pool(config: &Config) -> Result<Arc<Pool>, ConfigError> {
    Ok(Arc::new(match config.place()? {
        Place::MySql(options) => mysql::pool(&options, config),
        Place::Sqlite(path) => sqlite::pool(&path, config),
    }))
}

fn invalid(field: &'static str, message: impl Into<String>) -> ReadError {
    ReadError::Invalid { field, message: message.into() }
}
