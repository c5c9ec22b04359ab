//! The file: its connections, its tables and their version.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::fault;
use super::options::Durability;
use crate::error::{Error, Result};

const VERSION: i64 = 1;
const PAGE: u64 = 8192;
const TABLES: &str = include_str!("schema.sql");

/// The one connection that writes.
pub(super) async fn connect(path: &Path, max_file_bytes: Option<u64>, durability: Durability) -> sqlx::Result<SqliteConnection> {
    let options = match max_file_bytes {
        Some(bytes) => options(path).pragma("max_page_count", (bytes / PAGE).max(1).to_string()),
        None => options(path),
    };
    options
        .create_if_missing(true)
        .page_size(PAGE as u32)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match durability {
            Durability::Machine => SqliteSynchronous::Full,
            Durability::Process => SqliteSynchronous::Normal,
        })
        // 32 MiB: fewer checkpoints than the default's 1,000 pages, a short recovery all the same.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        .connect()
        .await
}

/// Makes the tables, or checks that this build knows them.
pub(super) async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let at_open = |error| fault::at_open(path, error);
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(at_open)?;
    match found {
        VERSION => add_notes(connection).await.map_err(at_open),
        0 => {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(at_open)?;
            sqlx::raw_sql(TABLES).execute(&mut *transaction).await.map_err(at_open)?;
            sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut *transaction).await.map_err(at_open)?;
            transaction.commit().await.map_err(at_open)
        }
        other => {
            Err(Error::Fatal(format!("`{}` has format {other}, this build knows {VERSION}: use the build that wrote it", path.display())))
        }
    }
}

/// Files of the first builds have no notes. The version stays: those builds name their columns, and go on with a file that has one more.
async fn add_notes(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM pragma_table_info('committed') WHERE name = 'note'").fetch_optional(&mut *connection).await?;
    if found.is_none() {
        sqlx::raw_sql("ALTER TABLE committed ADD COLUMN note TEXT").execute(connection).await?;
    }
    Ok(())
}

/// Connections that only read.
pub(super) fn readers(path: &Path, count: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(count.max(1))
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .connect_lazy_with(options(path).read_only(true).row_buffer_size(512))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).busy_timeout(Duration::from_secs(10)).disable_statement_logging()
}
