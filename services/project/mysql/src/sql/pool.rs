//! The readers' connections: bounded in number, opened when needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loki_runtime::task;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Connection, Fault};
use crate::config::Config;

pub(crate) struct Pool {
    raw: RawPool,
    limit: Duration,
    connections_max: usize,
    acquire_timeout: Duration,
    /// Connections that questions hold.
    in_use: Arc<AtomicUsize>,
    /// Of them, how many may be at questions that take long.
    heavy: Semaphore,
}

pub(crate) enum RawPool {
    MySql(sqlx::MySqlPool),
    Sqlite(sqlx::SqlitePool, PathBuf),
}

/// A connection in use; counts until it is dropped.
pub(crate) struct InUse(Arc<AtomicUsize>);

impl Pool {
    pub(crate) fn new(raw: RawPool, config: &Config) -> Self {
        Self {
            raw,
            limit: config.statement_timeout,
            connections_max: config.connections_max as usize,
            acquire_timeout: config.connect_timeout,
            in_use: Arc::default(),
            heavy: Semaphore::new((config.connections_max as usize / 2).max(1)),
        }
    }

    /// A connection outside any transaction.
    pub(crate) async fn acquire(&self) -> Result<Connection, Fault> {
        match &self.raw {
            RawPool::MySql(pool) => match pool.acquire().await {
                Ok(connection) => Ok(Connection::pooled_mysql(connection, self.limit, self.count())),
                Err(error) => Err(self.crowded(&error).unwrap_or_else(|| error.into())),
            },
            RawPool::Sqlite(pool, file) => match pool.acquire().await {
                Ok(connection) => Ok(Connection::pooled_sqlite(connection, self.limit, self.count())),
                Err(error) => match self.crowded(&error) {
                    Some(crowded) => Err(crowded),
                    None if !file.exists() => Err(Fault::Emptied(format!("there is no `{}`", file.display()))),
                    None => Err(error.into()),
                },
            },
        }
    }

    /// A place among the questions that may take long: half of the connections are always left for the quick ones.
    pub(crate) async fn heavy(&self) -> Result<SemaphorePermit<'_>, Fault> {
        // the semaphore is never closed
        task::timeout(self.acquire_timeout, self.heavy.acquire()).await.and_then(Result::ok).ok_or(Fault::Crowded)
    }

    /// A pool in which every connection is in use says the same as one that cannot connect.
    fn crowded(&self, error: &sqlx::Error) -> Option<Fault> {
        let all = matches!(error, sqlx::Error::PoolTimedOut) && self.in_use.load(Ordering::Relaxed) >= self.connections_max;
        all.then_some(Fault::Crowded)
    }

    fn count(&self) -> InUse {
        self.in_use.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(&self.in_use))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
