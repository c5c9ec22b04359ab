//! Opening the SQLite file.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, SqliteConnection};

use crate::config::Config;
use crate::sql::{Connection, Fault, Pool, RawPool};

/// Opens the file for writing; makes it and its folder.
pub(crate) async fn connect(path: &Path, config: &Config) -> Result<Connection, Fault> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Fault::Unusable(format!("cannot make `{}`: {error}", folder.display())))?;
    }
    let connection = SqliteConnection::connect_with(&options(path, config).create_if_missing(true)).await?;
    Ok(Connection::sqlite(connection, config.statement_timeout))
}

/// What readers see of the file as memory of theirs, instead of reading page by page: a list of 50,000 servers goes all over it.
const MAPPED_BYTES: &str = "268435456";

/// The readers' pool. Its connections can write nothing.
pub(crate) fn pool(path: &Path, config: &Config) -> Pool {
    let pool = SqlitePoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(config.connect_timeout)
        .connect_lazy_with(options(path, config).create_if_missing(false).pragma("query_only", "ON").pragma("mmap_size", MAPPED_BYTES));
    Pool::new(RawPool::Sqlite(pool, path.to_owned()), config)
}

/// `NORMAL`: a crash of the machine may cost the last batches, position included; they are applied again.
fn options(path: &Path, config: &Config) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(config.lock_timeout)
        .statement_cache_capacity(256)
        .disable_statement_logging()
}
