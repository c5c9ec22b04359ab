//! The store keeps its promises on SQLite.

use std::time::Duration;

use async_trait::async_trait;
use loki_mysql::contract::World;
use loki_mysql::{Config, mysql_contract};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};
use tempfile::TempDir;

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("store.db")).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connect().await).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[async_trait]
impl World for Sqlite {
    fn config(&self) -> Config {
        // no limit that a machine which stalls for some seconds could reach
        let (connect_timeout, lock_timeout) = (Duration::from_secs(30), Duration::from_secs(30));
        let statement_timeout = Duration::from_secs(120);
        Config { connect_timeout, lock_timeout, statement_timeout, ..Config::sqlite(self.folder.path().join("store.db")) }
    }

    async fn run(&self, sql: &str) {
        self.connect().await.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    async fn empty(&self) {
        for table in self.tables().await {
            self.run(&format!("DROP TABLE {table}")).await;
        }
    }

    async fn tables(&self) -> Vec<String> {
        self.texts("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name").await
    }

    async fn shape(&self, table: &str) -> String {
        let shape =
            self.texts(&format!("SELECT sql FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL ORDER BY name")).await;
        // A renamed table has its name in quotes.
        shape.join("\n").replace(&format!("\"{table}\""), table)
    }
}

mysql_contract!(Sqlite::new());
