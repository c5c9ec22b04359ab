//! The readers' connections: bounded in number, opened when needed.

use std::path::PathBuf;
use std::time::Duration;

use super::{Connection, Fault};

pub(crate) struct Pool {
    pub(crate) raw: RawPool,
    pub(crate) limit: Duration,
}

pub(crate) enum RawPool {
    MySql(sqlx::MySqlPool),
    Sqlite(sqlx::SqlitePool, PathBuf),
}

impl Pool {
    /// A connection outside any transaction.
    pub(crate) async fn acquire(&self) -> Result<Connection, Fault> {
        match &self.raw {
            RawPool::MySql(pool) => Ok(Connection::pooled_mysql(pool.acquire().await?, self.limit)),
            RawPool::Sqlite(pool, file) => match pool.acquire().await {
                Ok(connection) => Ok(Connection::pooled_sqlite(connection, self.limit)),
                Err(_) if !file.exists() => Err(Fault::Emptied(format!("there is no `{}`", file.display()))),
                Err(error) => Err(error.into()),
            },
        }
    }
}
