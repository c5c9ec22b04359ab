//! A connection to either store. Each statement is bounded in time; one that did not end leaves the connection unfit: drop it.

use std::borrow::Cow;
use std::time::Duration;

use loki_runtime::task;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, MySql, MySqlConnection, Sqlite, SqliteConnection};

use super::pool::InUse;
use super::value::{mysql, sqlite};
use super::{Dialect, Fault, Row, Value};

pub(crate) struct Connection {
    raw: Raw,
    limit: Duration,
    /// A pooled connection goes back only when it is known to be between statements and outside a transaction.
    clean: bool,
    _in_use: Option<InUse>,
}

enum Raw {
    MySql(Box<MySqlConnection>),
    Sqlite(Box<SqliteConnection>),
    PooledMySql(PoolConnection<MySql>),
    PooledSqlite(PoolConnection<Sqlite>),
}

enum Session<'a> {
    MySql(&'a mut MySqlConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Connection {
    pub(crate) fn mysql(connection: MySqlConnection, limit: Duration) -> Self {
        Self { raw: Raw::MySql(Box::new(connection)), limit, clean: true, _in_use: None }
    }

    pub(crate) fn sqlite(connection: SqliteConnection, limit: Duration) -> Self {
        Self { raw: Raw::Sqlite(Box::new(connection)), limit, clean: true, _in_use: None }
    }

    pub(super) fn pooled_mysql(connection: PoolConnection<MySql>, limit: Duration, in_use: InUse) -> Self {
        Self { raw: Raw::PooledMySql(connection), limit, clean: true, _in_use: Some(in_use) }
    }

    pub(super) fn pooled_sqlite(connection: PoolConnection<Sqlite>, limit: Duration, in_use: InUse) -> Self {
        Self { raw: Raw::PooledSqlite(connection), limit, clean: true, _in_use: Some(in_use) }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.raw {
            Raw::MySql(_) | Raw::PooledMySql(_) => Dialect::MySql,
            Raw::Sqlite(_) | Raw::PooledSqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement without parameters and answers nothing: DDL, and the ends of transactions.
    pub(crate) async fn run(&mut self, sql: impl Into<Cow<'static, str>>) -> Result<(), Fault> {
        let sql = AssertSqlSafe(sql.into());
        let (limit, session) = (self.limit, self.session());
        let work = async {
            match session {
                Session::MySql(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
                Session::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            }
        };
        bounded(limit, work).await
    }

    /// Runs a statement and tells how many rows it matched.
    pub(crate) async fn execute(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Result<u64, Fault> {
        let sql = AssertSqlSafe(sql.into());
        let (limit, session) = (self.limit, self.session());
        match session {
            Session::MySql(connection) => {
                let work = sqlx::query_with(sql, mysql(values)?).execute(connection);
                // Matched, not changed: sqlx connects with CLIENT_FOUND_ROWS.
                bounded(limit, work).await.map(|done| done.rows_affected())
            }
            Session::Sqlite(connection) => {
                let work = sqlx::query_with(sql, sqlite(values)?).execute(connection);
                bounded(limit, work).await.map(|done| done.rows_affected())
            }
        }
    }

    /// Runs a query. Its statement bounds how many rows there can be.
    pub(crate) async fn query(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let sql = AssertSqlSafe(sql.into());
        let (limit, session) = (self.limit, self.session());
        match session {
            Session::MySql(connection) => {
                let rows = bounded(limit, sqlx::query_with(sql, mysql(values)?).fetch_all(connection)).await?;
                Ok(rows.into_iter().map(Row::MySql).collect())
            }
            Session::Sqlite(connection) => {
                let rows = bounded(limit, sqlx::query_with(sql, sqlite(values)?).fetch_all(connection)).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    /// The first row of a query.
    pub(crate) async fn first(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Begins a transaction that writes. On SQLite it takes the one write lock at once: a lock taken later could not be waited for.
    pub(crate) async fn begin_writing(&mut self) -> Result<(), Fault> {
        self.begin(match self.dialect() {
            Dialect::MySql => "START TRANSACTION",
            Dialect::Sqlite => "BEGIN IMMEDIATE",
        })
        .await
    }

    /// Begins a transaction that reads one snapshot, taken by its first query.
    pub(crate) async fn begin_reading(&mut self) -> Result<(), Fault> {
        self.begin(match self.dialect() {
            Dialect::MySql => "START TRANSACTION READ ONLY",
            Dialect::Sqlite => "BEGIN DEFERRED",
        })
        .await
    }

    async fn begin(&mut self, sql: &'static str) -> Result<(), Fault> {
        self.clean = false;
        self.run(sql).await
    }

    /// After an error it is not known whether the transaction was committed.
    pub(crate) async fn commit(&mut self) -> Result<(), Fault> {
        self.run("COMMIT").await?;
        self.clean = true;
        Ok(())
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), Fault> {
        self.run("ROLLBACK").await?;
        self.clean = true;
        Ok(())
    }

    fn session(&mut self) -> Session<'_> {
        match &mut self.raw {
            Raw::MySql(connection) => Session::MySql(connection),
            Raw::Sqlite(connection) => Session::Sqlite(connection),
            Raw::PooledMySql(connection) => Session::MySql(connection),
            Raw::PooledSqlite(connection) => Session::Sqlite(connection),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.clean {
            return;
        }
        match &mut self.raw {
            Raw::PooledMySql(connection) => connection.close_on_drop(),
            Raw::PooledSqlite(connection) => connection.close_on_drop(),
            // Closing them is rolling back.
            Raw::MySql(_) | Raw::Sqlite(_) => {}
        }
    }
}

async fn bounded<T>(limit: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Fault> {
    match task::timeout(limit, work).await {
        Some(done) => Ok(done?),
        None => Err(Fault::Away(format!("no answer within {limit:?}"))),
    }
}
