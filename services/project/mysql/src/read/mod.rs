//! Answering: one snapshot per question, its position first.

mod audit;
mod dump;
mod history;
mod inherit;
mod moment;
mod nodes;
mod progress;
mod servers;
mod snapshot;
mod state;
mod versions;
mod wait;

use std::sync::Arc;

use loki_domain::Stream;

use crate::config::{Config, Place};
use crate::error::ConfigError;
use crate::port::{HistoryReader, ReadError, StateReader};
use crate::sql::Pool;
use crate::tables::{HISTORY, STATE};
use crate::{mysql, sqlite};
use snapshot::Source;

/// Both readers of a store, on one pool. Cheap to clone. Nothing is connected before the first question.
#[derive(Clone)]
pub struct Readers {
    pub state: Arc<dyn StateReader>,
    pub history: Arc<dyn HistoryReader>,
}

impl Readers {
    /// Must be called within a Tokio runtime.
    pub fn open(config: &Config) -> Result<Self, ConfigError> {
        let pool = Arc::new(match config.place()? {
            Place::MySql(options) => mysql::pool(&options, config),
            Place::Sqlite(path) => sqlite::pool(&path, config),
        });
        let state = Source::new(Arc::<Pool>::clone(&pool), &STATE, Stream::Fact);
        let history = Source::new(pool, &HISTORY, Stream::Outcome);
        Ok(Self { state: Arc::new(state::State::new(state)), history: Arc::new(history::History::new(history)) })
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> ReadError {
    ReadError::Invalid { field, message: message.into() }
}
