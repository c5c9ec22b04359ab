//! Connecting to MySQL and MariaDB.

use loki_runtime::task;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor, MySqlConnection};

use crate::config::Config;
use crate::sql::{Connection, Fault, Pool, RawPool};

/// How many prepared statements a connection keeps: every size of every statement of one projection fits.
const STATEMENTS_KEPT: usize = 256;

/// Connects for writing.
pub(crate) async fn connect(options: &MySqlConnectOptions, config: &Config) -> Result<Connection, Fault> {
    let connection = open(&tuned(options), config).await?;
    Ok(Connection::mysql(connection, config.statement_timeout))
}

/// Makes the database, as its own user may, when it was dropped.
pub(crate) async fn create_database(options: &MySqlConnectOptions, config: &Config) -> Result<(), Fault> {
    let database = options.get_database().unwrap_or_default();
    // sqlx sends no database when it is empty
    let connection = open(&tuned(&options.clone().database("")), config).await?;
    let sql = format!("CREATE DATABASE IF NOT EXISTS `{}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", database.replace('`', "``"));
    let made = Connection::mysql(connection, config.statement_timeout).run(sql).await;
    made.map_err(|fault| match fault {
        Fault::Unusable(text) => Fault::Unusable(format!(
            "the database `{database}` is missing and this user may not create it, grant it what migrations/{}/mysql/grants.sql says: {text}",
            config.database.folder()
        )),
        other => other,
    })
}

/// The readers' pool. Nothing is connected yet.
pub(crate) fn pool(options: &MySqlConnectOptions, config: &Config) -> Pool {
    let session = format!("{}; {}", session(config), reading(config));
    let pool = MySqlPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(config.connect_timeout)
        .after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(async move { connection.execute(AssertSqlSafe(session)).await.map(drop) })
        })
        .connect_lazy_with(tuned(options));
    Pool::new(RawPool::MySql(pool), config)
}

async fn open(options: &MySqlConnectOptions, config: &Config) -> Result<MySqlConnection, Fault> {
    let work = async {
        let mut connection = MySqlConnection::connect_with(options).await?;
        connection.execute(AssertSqlSafe(session(config))).await?;
        Ok::<_, sqlx::Error>(connection)
    };
    match task::timeout(config.connect_timeout, work).await {
        Some(connected) => Ok(connected?),
        None => Err(Fault::Away(format!("no connection within {:?}", config.connect_timeout))),
    }
}

fn tuned(options: &MySqlConnectOptions) -> MySqlConnectOptions {
    options.clone().statement_cache_capacity(STATEMENTS_KEPT).collation("utf8mb4_bin").disable_statement_logging()
}

/// What a session needs whatever the server's defaults are: nothing is cut off silently, one snapshot for a whole reading transaction, and no
/// wait for a lock (the server's default for a table's lock is a day or more) outlives ours.
fn session(config: &Config) -> String {
    let seconds = config.lock_timeout.as_millis().div_ceil(1_000).max(1);
    format!(
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    )
}

/// The server gives up a question when its reader does, instead of working on for nobody. MariaDB has another name for it, in seconds, and takes
/// comments of the first kind for MySQL's own, those of the second for its own; each server passes over the other's.
fn reading(config: &Config) -> String {
    let limit = config.statement_timeout;
    format!(
        "SET SESSION lock_wait_timeout = @@lock_wait_timeout /*!80000 , max_execution_time = {} */ /*M!100100 , max_statement_time = {} */",
        limit.as_millis().max(1),
        limit.as_secs_f64()
    )
}
