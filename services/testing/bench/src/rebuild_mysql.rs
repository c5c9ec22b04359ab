//! Rebuild of 200,000 facts into MariaDB against bare multi-row upserts of the same rows in statements of the same sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use loki_domain::{Entity, Kind};
use loki_mysql::{Config, StateProjection, migrate};
use loki_runner::RunnerConfig;
use loki_runtime::clock::Stopwatch;
use loki_testing::real::{self, Running};
use loki_wire::Change;
use loki_wire::fact::v1::write_entity;
use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, MySqlConnection};

use crate::facts::{self, FACTS, Made};
use crate::figure::Figure;
use crate::rebuild;

const ROUNDS: usize = 7;
const BAR: f64 = 0.7;
/// As the projection does it.
const ROWS_MAX: usize = 1_024;

/// A statement with its rows.
struct Upsert {
    sql: Arc<str>,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Null,
    Int(i64),
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let made = facts::make()?;
    let site = rebuild::site(&made).await?;
    let server = crate::backends::start(&real::MariaDb).await?;
    let transactions = statements(&made);
    let mut pairs = Vec::new();
    // the first round warms caches up and does not count
    for round in 0..=ROUNDS {
        let peer = bare(&server, &format!("bare{round}"), &transactions).await?;
        let config = database(&server, &format!("loki{round}")).await?;
        let ours = rebuild::time(&site, StateProjection::state(&config)?, &format!("mysql-{round}")).await?;
        println!("round {round}: ours {ours:.0} facts/s, bare upserts {peer:.0} rows/s{}", if round == 0 { " (warming up)" } else { "" });
        compare(&server, round).await?;
        for name in [format!("bare{round}"), format!("loki{round}")] {
            connect(&server, "mysql").await?.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await?;
        }
        if round > 0 {
            pairs.push((ours, peer));
        }
    }
    Ok(vec![Figure::against_peer("rebuild-mysql", &pairs, BAR)])
}

async fn connect(server: &Running, database: &str) -> Result<MySqlConnection> {
    MySqlConnection::connect(&format!("{}/{database}", server.url())).await.context("mariadb")
}

/// An empty database with the store's tables.
async fn database(server: &Running, name: &str) -> Result<Config> {
    let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    connect(server, "mysql").await?.execute(AssertSqlSafe(sql)).await?;
    let config = Config::mysql(format!("{}/{name}", server.url()));
    migrate(&config).await?;
    Ok(config)
}

/// Rows a second into tables of the same shape, a transaction for each batch.
async fn bare(server: &Running, name: &str, transactions: &[Vec<Upsert>]) -> Result<f64> {
    database(server, name).await?;
    let mut connection = connect(server, name).await?;
    let watch = Stopwatch::start();
    for statements in transactions {
        let mut transaction = connection.begin().await?;
        for statement in statements {
            let arguments = arguments(&statement.values)?;
            sqlx::query_with(AssertSqlSafe(statement.sql.clone()), arguments).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(FACTS as f64 / watch.elapsed().as_secs_f64())
}

/// Both have written the same.
async fn compare(server: &Running, round: usize) -> Result<()> {
    let mut connection = connect(server, "mysql").await?;
    for table in ["node", "server", "mount", "membership"] {
        let mut of = [0_i64; 2];
        for (count, database) in of.iter_mut().zip(["bare", "loki"]) {
            *count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {database}{round}.{table}")))
                .fetch_one(&mut connection)
                .await?;
        }
        anyhow::ensure!(of[0] == of[1] && of[0] > 0, "table {table} has {} rows, ours {}", of[0], of[1]);
    }
    Ok(())
}

fn arguments(values: &[Value]) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text.as_str()),
            Value::Int(number) => arguments.add(number),
            Value::Null => arguments.add(None::<&str>),
        };
        added.map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(arguments)
}

/// The statements of the batches that the loop makes of these facts.
fn statements(made: &[Made]) -> Vec<Vec<Upsert>> {
    let topic = loki_log::Topic::new("facts");
    let batch = RunnerConfig::new(topic.clone(), topic, "").rebuild_records_max;
    let mut offset = 0;
    made.chunks(batch)
        .map(|made| {
            let mut tables: BTreeMap<Kind, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
            for made in made {
                if let Change::Set(entity) = &made.change {
                    tables.entry(entity.key().kind()).or_default().insert(entity.key().id(), row(entity, offset));
                }
                offset += 1;
            }
            tables.into_iter().flat_map(|(kind, rows)| upserts(kind, rows.into_values().collect())).collect()
        })
        .collect()
}

fn upserts(kind: Kind, rows: Vec<Vec<Value>>) -> Vec<Upsert> {
    let columns: &[&str] = match kind {
        Kind::Node => &["id", "parent", "name", "fact", "json"],
        Kind::Server => &["id", "name", "state", "idc", "fact", "json"],
        Kind::Mount => &["id", "node", "server", "fact", "json"],
        Kind::Membership => &["id", "node", "fact", "json"],
        // none of the others is generated
        _ => &["id", "fact", "json"],
    };
    let mut upserts = Vec::new();
    let mut rest = rows.into_iter();
    while rest.len() > 0 {
        let count = 1 << rest.len().min(ROWS_MAX).ilog2();
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let updates: Vec<String> = columns[1..].iter().map(|column| format!("{column} = VALUES({column})")).collect();
        let sql = format!(
            "INSERT INTO {kind} ({}) VALUES {} ON DUPLICATE KEY UPDATE {}",
            columns.join(", "),
            vec![row; count].join(","),
            updates.join(", ")
        );
        upserts.push(Upsert { sql: sql.into(), values: rest.by_ref().take(count).flatten().collect() });
    }
    upserts
}

fn row(entity: &Entity, offset: i64) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut row = vec![Value::Text(entity.key().id())];
    match entity {
        Entity::Node(node) => {
            row.push(Value::Text(node.parent.map(|id| id.to_string()).unwrap_or_default()));
            row.push(text(node.name.as_str()));
        }
        Entity::Server(server) => {
            row.extend([text(server.name.as_str()), text(server.state.as_str())]);
            row.push(server.idc.as_ref().map_or(Value::Null, |idc| text(idc.as_str())));
        }
        Entity::Mount(mount) => row.extend([Value::Text(mount.node.to_string()), Value::Text(mount.server.to_string())]),
        Entity::Membership(membership) => row.push(Value::Text(membership.node.to_string())),
        _ => {}
    }
    row.push(Value::Int(offset));
    row.push(Value::Text(String::from_utf8_lossy(&write_entity(entity)).into_owned()));
    row
}
