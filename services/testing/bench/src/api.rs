//! The API as its process runs it, within this one: on embedded stores, but for those that a work brings.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use loki_api::{Api, Config, Sources};
use loki_intake::Intake;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Topic, declared};
use loki_mysql::{Readers, migrate};
use loki_opentsdb::Embedded;
use loki_redis::facts::ServersReader;
use loki_redis::samples::{MemorySamples, Reader, Shape};
use loki_runtime::{Clock, Secret, Shutdown, task};
use loki_series::Store;
use loki_telemetry::{Health, Metrics};
use loki_wire::Topics;
use loki_zookeeper::Memory;
use tokio::sync::OnceCell;

/// The stores that a work has filled; what it does not bring is empty.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) tree: Memory,
    /// Without it the tree answers for servers by node.
    pub(crate) servers: Option<Arc<dyn ServersReader>>,
    pub(crate) series: Option<Store>,
}

/// Serves until shutdown.
pub(crate) async fn start(folder: &Path, given: Given, shutdown: &Shutdown) -> Result<SocketAddr> {
    let log = SqliteLog::open(Options::new(folder.join("log"))).await?;
    log.reconcile_topics(&declared("").into_iter().map(|topic| topic.spec).collect::<Vec<_>>(), true).await?;
    let relational = loki_mysql::Config::sqlite(folder.join("store.db"));
    migrate(&relational).await?;
    let readers = Readers::open(&relational)?;
    let domains = loki_mysql::domain_reader(&loki_mysql::Config::sqlite(folder.join("cdn_system.db")))?;
    let log: Arc<dyn Log> = Arc::new(log);
    let intake = Intake::new(log.clone(), Topic::new(Topics::new("").samples), 12);
    let series = match given.series {
        Some(series) => series,
        None => Store::open(&folder.join("series"), loki_series::Options::default())?,
    };
    let sources = Sources {
        log,
        intake,
        series: Arc::new(Embedded::new(Arc::new(series), Clock::system())),
        state: readers.state,
        deploys: readers.deploys,
        history: readers.history,
        task_logs: readers.task_logs,
        domains,
        tree: Arc::new(given.tree),
        servers: given.servers,
        live: Reader::new(Arc::new(MemorySamples::new(Shape::new(12)))),
        artifacts: None,
        buckets: Default::default(),
    };
    let config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: Secret::default(),
        body_max: 1 << 20,
        artifact_max: 1 << 20,
        wait_max: Duration::from_secs(30),
        concurrency_max: 1_024,
        agents_max: 4_096,
        connections_max: 2_560,
        drain: Duration::from_secs(1),
    };
    let metrics = metrics().await?;
    task::spawn("metrics upkeep", metrics.clone().upkeep(shutdown.clone()));
    let api = Api::bind(config, sources, &Topics::new(""), Health::new(), metrics, Router::new().into(), shutdown.clone()).await?;
    let address = api.address()?;
    task::spawn("api", api.run());
    Ok(address)
}

/// A process has one recorder, whichever work comes first.
async fn metrics() -> Result<Metrics> {
    static INSTALLED: OnceCell<Metrics> = OnceCell::const_new();
    let install = || async { Metrics::install().context("the metrics' recorder") };
    INSTALLED.get_or_try_init(install).await.cloned()
}
