//! At 500 commands a second: how long after it was sent a command is visible in each store.
//!
//! The whole platform on real backends, in one process: decider, both relational projections, the tree's projection, and the readers' cache.
//! Observers ask MariaDB for its two positions, ZooKeeper for its own, and the cache, once in 1 to 5 milliseconds; which command lies at
//! which position is read from the outcomes afterwards. The clock starts when a command was due, so that a late sender hides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use loki_core::generate::{Everyday, inventory};
use loki_log::Topic;
use loki_mysql::{HistoryProjection, StateProjection, migrate};
use loki_runner::{Projection, Runner, RunnerConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_testing::real;
use loki_wire::{Verdict, outcome};
use loki_zookeeper::{Cache, TreeReader, ZooKeeperProjection};
use sqlx::{Connection, Executor, MySqlConnection};
use tokio::task::{JoinHandle, JoinSet};

use crate::figure::{Figure, percentile};
use crate::site::{Site, record};

const A_SECOND: u32 = 500;
const COMMANDS: usize = 10_000;
/// Sent before, at the same rate; they do not count. Until then the broker's compiler takes a third of both cores.
const WARM_UP: usize = 20_000;
const LOOK_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(120);

/// When which position was seen first: milliseconds, next offset.
type Seen = Vec<(f64, u64)>;

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let site = Site::start().await?;
    let mariadb = crate::backends::start(&real::MariaDb).await?;
    let zookeeper = crate::backends::start(&real::ZooKeeper).await?;
    let mut connection = MySqlConnection::connect(&format!("{}/mysql", mariadb.url())).await?;
    connection.execute("CREATE DATABASE loki CHARACTER SET utf8mb4 COLLATE utf8mb4_bin").await?;
    let relational = loki_mysql::Config::mysql(format!("{}/loki", mariadb.url()));
    migrate(&relational).await?;
    let tree = loki_zookeeper::Config::new(zookeeper.address());

    let (shutdown, health) = (Shutdown::new(), Health::new());
    let decider = site.decide();
    let projections = [
        project(&site, StateProjection::state(&relational)?, &site.topics.facts, &shutdown, &health),
        project(&site, HistoryProjection::history(&relational)?, &site.topics.outcomes, &shutdown, &health),
        project(&site, ZooKeeperProjection::new(tree.clone()), &site.topics.facts, &shutdown, &health),
    ];
    let cache = Cache::start(tree, shutdown.clone(), health.component("cache"));
    let last = site.append(&site.commands(), inventory(200, 1_000, 10).iter().map(record).collect()).await?;
    site.decided(last).await?;
    let facts = site.log.bounds(&site.facts()).await?.end;
    cache.wait(facts - 2, PATIENCE).await?;

    let watch = Arc::new(Stopwatch::start());
    let observing = Shutdown::new();
    let connection = MySqlConnection::connect(&format!("{}/loki", mariadb.url())).await?;
    let relational = task::spawn("observer", observe_relational(connection, watch.clone(), observing.clone()));
    let stored = task::spawn("observer", observe_zookeeper(cache.clone(), watch.clone(), observing.clone()));
    let tree = task::spawn("observer", observe_tree(cache, watch.clone(), observing.clone()));
    let sent = send(&site, &watch).await?;
    let last = sent.iter().map(|(_, command)| *command).max().context("nothing was sent")?;
    site.decided(last).await?;
    task::sleep(Duration::from_secs(2)).await;
    observing.begin();
    let (mysql, history) = relational.await??;
    let seen = [("mysql", mysql), ("history", history), ("zookeeper", stored.await?), ("zookeeper cache", tree.await?)];
    let placed = placed(&site).await?;
    shutdown.begin();
    decider.stop().await?;
    for projection in projections {
        projection.await??;
    }

    let mut figures = Vec::new();
    for (store, seen) in seen {
        let mut waits = Vec::new();
        for (due, command) in &sent[WARM_UP..] {
            let (outcome, fact) = placed.get(command).context("a command has no outcome")?;
            let Some(offset) = (if store == "history" { Some(*outcome) } else { *fact }) else { continue };
            let index = seen.partition_point(|(_, position)| *position <= offset);
            let (at, _) = seen.get(index).with_context(|| format!("command c{command} is not visible in {store}"))?;
            waits.push(at - due);
        }
        let count = waits.len();
        let (half, most) = (percentile(&mut waits, 0.5), percentile(&mut waits, 0.99));
        println!("{store}: {count} commands, p50 {half:.1} ms, p99 {most:.1} ms");
        figures.push(Figure::told(&format!("visible {store}"), format!("p50 {half:.0} ms, p99 {most:.0} ms")));
    }
    Ok(figures)
}

fn project<P: Projection>(
    site: &Site,
    projection: P,
    topic: &str,
    shutdown: &Shutdown,
    health: &Health,
) -> JoinHandle<Result<(), loki_runner::Error>> {
    let group = site.topics.group(projection.name());
    let config = RunnerConfig::new(Topic::new(topic), Topic::new(&site.topics.facts), group);
    task::spawn("projection", Runner::new(projection, site.log.clone(), config, Clock::system(), health).run(shutdown.clone()))
}

/// Sends at the rate, each command by itself; gives when each was due and where it lies.
async fn send(site: &Site, watch: &Stopwatch) -> Result<Vec<(f64, u64)>> {
    let stream: Vec<_> = Everyday::new(2, 200, 1_000).take(WARM_UP + COMMANDS).map(|asked| record(&asked)).collect();
    let mut appends = JoinSet::new();
    let begin = watch.elapsed();
    for (number, record) in (0..).zip(stream) {
        let due = begin + Duration::from_secs(1) * number / A_SECOND;
        task::sleep(due.saturating_sub(watch.elapsed())).await;
        let (log, commands) = (site.log.clone(), site.commands());
        appends.spawn(async move {
            let offsets = log.append(&commands, vec![record]).await?;
            Ok::<_, loki_log::Error>((due.as_secs_f64() * 1e3, offsets[0]))
        });
    }
    let mut sent = Vec::new();
    while let Some(appended) = appends.join_next().await {
        sent.push(appended??);
    }
    sent.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(sent)
}

async fn observe_relational(mut connection: MySqlConnection, watch: Arc<Stopwatch>, shutdown: Shutdown) -> Result<(Seen, Seen)> {
    let (mut state, mut history) = (Seen::new(), Seen::new());
    while !shutdown.has_begun() {
        for (table, seen) in [("state_position", &mut state), ("history_position", &mut history)] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT position FROM {table} WHERE state = 'live'"));
            let position: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&mut connection).await?;
            note(seen, &watch, position.map_or(0, i64::unsigned_abs));
        }
        task::sleep(LOOK_EVERY).await;
    }
    Ok((state, history))
}

/// What lies in ZooKeeper itself.
async fn observe_zookeeper(cache: Cache, watch: Arc<Stopwatch>, shutdown: Shutdown) -> Seen {
    let mut seen = Seen::new();
    while !shutdown.has_begun() {
        if let Ok(Some(stored)) = cache.stored().await {
            note(&mut seen, &watch, stored.position);
        }
        // each question is two reads that wait behind writes
        task::sleep(5 * LOOK_EVERY).await;
    }
    seen
}

/// What readers get.
async fn observe_tree(cache: Cache, watch: Arc<Stopwatch>, shutdown: Shutdown) -> Seen {
    let mut seen = Seen::new();
    while !shutdown.has_begun() {
        // no answer: not visible
        if let Ok(answer) = cache.servers("/acme", false) {
            note(&mut seen, &watch, answer.position);
        }
        task::sleep(LOOK_EVERY).await;
    }
    seen
}

fn note(seen: &mut Seen, watch: &Stopwatch, position: u64) {
    if seen.last().is_none_or(|(_, before)| *before < position) {
        seen.push((watch.elapsed().as_secs_f64() * 1e3, position));
    }
}

/// For each command: where its outcome lies, and its last fact if it changed anything.
async fn placed(site: &Site) -> Result<HashMap<u64, (u64, Option<u64>)>> {
    let mut reader = site.log.reader(&site.outcomes(), 0).await?;
    let mut placed = HashMap::new();
    loop {
        let batch = reader.read(5_000, Duration::from_secs(5)).await?;
        for record in &batch.records {
            let outcome = outcome::read(record.value.as_ref(), &record.headers).context("an outcome")?;
            let fact = match &outcome.verdict {
                Verdict::Accepted { facts, .. } => facts.last().map(|fact| fact.offset),
                _ => None,
            };
            placed.insert(outcome.command, (record.offset, fact));
        }
        if batch.at_end {
            return Ok(placed);
        }
    }
}
