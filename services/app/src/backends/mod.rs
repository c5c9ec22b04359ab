//! The production set or the embedded set: the one place where adapters are named.

mod samples;

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use loki_log::kafka::KafkaLog;
use loki_log::sqlite::{Options, SqlitePair};
use loki_log::{Log, Topic, TopicSpec};
use loki_mysql::port::DomainReader;
use loki_mysql::{Database, DomainProjection, HistoryProjection, Projected, Readers, StateProjection, TaskLogProjection};
use loki_runner::{Projection, State, Stored};
use loki_runtime::Shutdown;
use loki_telemetry::Health;
use loki_wire::{Fact, Topics};
use loki_zookeeper::{Memory, TreeReader};

use crate::settings::{self, Settings};
use samples::Samples;

const NO_REDIS: &str = "the embedded set has no Redis: the tree answers in its place";

/// Which set is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Embedded,
    Real,
}

impl Set {
    /// `all`: whether every service runs in this process.
    pub(crate) fn of(settings: &Settings, all: bool) -> anyhow::Result<Self> {
        match (settings.backends, all) {
            (settings::Backends::Real, _) | (settings::Backends::Auto, false) => Ok(Self::Real),
            (settings::Backends::Embedded | settings::Backends::Auto, true) => Ok(Self::Embedded),
            (settings::Backends::Embedded, false) => {
                anyhow::bail!("embedded backends are used by one process only: run `loki all`, or set `backends = \"real\"`")
            }
        }
    }
}

/// All of the process' backends.
pub(crate) struct Backends {
    pub(crate) topics: Topics,
    pub(crate) specs: Vec<TopicSpec>,
    pub(crate) log: Arc<dyn Log>,
    relational: loki_mysql::Config,
    reader: loki_mysql::Config,
    cdn_system: loki_mysql::Config,
    cdn_system_reader: loki_mysql::Config,
    tree: Tree,
    /// Where samples go.
    pub(crate) samples: Samples,
    /// Closed last, so that the data directory is free when the process ends.
    embedded_log: Option<SqlitePair>,
}

enum Tree {
    Memory(Memory),
    Zookeeper(loki_zookeeper::Config),
}

impl Backends {
    /// Opens the log; stores connect when they are first used, and again whenever they have been away.
    pub(crate) async fn open(settings: &Settings, set: Set) -> anyhow::Result<Self> {
        let topics = Topics::new(&settings.topic_prefix);
        let replication = settings.kafka.replication;
        let specs: Vec<TopicSpec> =
            loki_log::declared(&settings.topic_prefix).into_iter().map(|declared| declared.with_replication(replication).spec).collect();
        match set {
            Set::Embedded => Self::embedded(settings, topics, specs).await,
            Set::Real => Self::real(settings, topics, specs),
        }
    }

    async fn embedded(settings: &Settings, topics: Topics, specs: Vec<TopicSpec>) -> anyhow::Result<Self> {
        let log = SqlitePair::open(Options::new(&settings.data_dir), vec![Topic::new(&topics.samples)])
            .await
            .with_context(|| format!("`data_dir` {}", settings.data_dir.display()))?;
        log.reconcile_topics(&specs, true).await.context("the embedded log's topics")?;
        let relational = loki_mysql::Config::sqlite(settings.data_dir.join("store.db"));
        let cdn_system = loki_mysql::Config::sqlite(settings.data_dir.join("cdn_system.db")).of(Database::CdnSystem);
        for database in [&relational, &cdn_system] {
            loki_mysql::migrate(database).await.context("the embedded store's schema")?;
        }
        let shared: Arc<dyn Log> = Arc::new(log.clone());
        Ok(Self {
            samples: Samples::embedded(settings, shared.clone(), &topics, &specs).await?,
            topics,
            specs,
            log: shared,
            reader: relational.clone(),
            relational,
            cdn_system_reader: cdn_system.clone(),
            cdn_system,
            tree: Tree::Memory(Memory::default()),
            embedded_log: Some(log),
        })
    }

    fn real(settings: &Settings, topics: Topics, specs: Vec<TopicSpec>) -> anyhow::Result<Self> {
        let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(settings.kafka_config()).context("`kafka`")?);
        Ok(Self {
            samples: Samples::real(settings, log.clone(), &topics, &specs)?,
            topics,
            specs,
            log,
            relational: settings.mysql_config(),
            reader: settings.mysql_reader_config(),
            cdn_system: settings.cdn_system_config(),
            cdn_system_reader: settings.cdn_system_reader_config(),
            tree: Tree::Zookeeper(settings.zookeeper_config()),
            embedded_log: None,
        })
    }

    pub(crate) fn state_projection(&self) -> anyhow::Result<StateProjection> {
        Ok(StateProjection::state(&self.relational)?)
    }

    pub(crate) fn history_projection(&self) -> anyhow::Result<HistoryProjection> {
        Ok(HistoryProjection::history(&self.relational)?)
    }

    pub(crate) fn task_log_projection(&self) -> anyhow::Result<TaskLogProjection> {
        Ok(TaskLogProjection::task_logs(&self.relational)?)
    }

    pub(crate) fn domain_projection(&self) -> anyhow::Result<DomainProjection> {
        Ok(DomainProjection::domains(&self.cdn_system)?)
    }

    pub(crate) fn domain_reader(&self) -> anyhow::Result<Arc<dyn DomainReader>> {
        Ok(loki_mysql::domain_reader(&self.cdn_system_reader)?)
    }

    pub(crate) fn readers(&self) -> anyhow::Result<Readers> {
        Ok(Readers::open(&self.reader)?)
    }

    /// The projection of the tree.
    pub(crate) fn tree_projection(&self) -> Box<dyn Projection<Item = Fact>> {
        match &self.tree {
            Tree::Memory(memory) => Box::new(memory.projection()),
            Tree::Zookeeper(config) => Box::new(loki_zookeeper::service::projection(config)),
        }
    }

    /// The reader of the tree; for ZooKeeper a cache that is fed until shutdown.
    pub(crate) fn tree_reader(&self, health: &Health, shutdown: &Shutdown) -> Arc<dyn TreeReader> {
        match &self.tree {
            Tree::Memory(memory) => Arc::new(memory.clone()),
            Tree::Zookeeper(config) => Arc::new(loki_zookeeper::service::reader(config, shutdown, health.component("tree cache"))),
        }
    }

    /// The tree's lines, from the store itself.
    pub(crate) async fn dump_tree(&self) -> anyhow::Result<Option<(Stored, Vec<String>)>> {
        Ok(match &self.tree {
            Tree::Memory(memory) => memory.dump(),
            Tree::Zookeeper(config) => loki_zookeeper::dump(config).await?,
        })
    }

    /// Asks a projection's loop, in whatever process it runs, for a full rebuild: a store without a position, or with a request in its place, is
    /// filled anew.
    pub(crate) async fn forget(&self, projection: &str) -> anyhow::Result<()> {
        match (projection, &self.tree) {
            ("mysql", _) => loki_mysql::forget(&self.relational, Projected::State).await?,
            ("redis", _) => loki_redis::facts::forget(self.redis()?).await?,
            ("history", _) => loki_mysql::forget(&self.relational, Projected::History).await?,
            ("task_logs", _) => loki_mysql::forget(&self.relational, Projected::TaskLogs).await?,
            ("cdn_system", _) => loki_mysql::forget(&self.cdn_system, Projected::Domains).await?,
            (_, Tree::Zookeeper(config)) => loki_zookeeper::forget(config).await?,
            (_, Tree::Memory(memory)) => memory.clear(),
        }
        Ok(())
    }

    /// What a projection's store says of itself.
    pub(crate) async fn stored(&self, projection: &str) -> anyhow::Result<Option<Stored>> {
        Ok(match projection {
            "mysql" => self.readers()?.state.stored().await?,
            "redis" => {
                let mut servers = self.samples.servers_projection()?.context(NO_REDIS)?;
                servers.stored().await?
            }
            "history" => self.readers()?.history.stored().await?,
            "task_logs" => self.readers()?.task_logs.stored().await?,
            "cdn_system" => self.domain_reader()?.stored().await?,
            _ => {
                let mut projection = self.tree_projection();
                let stored = projection.stored().await?;
                // not done before the swap
                let state = |stored: Stored| if projection.is_asked() { State::Building } else { stored.state };
                stored.map(|stored| Stored { state: state(stored), ..stored })
            }
        })
    }

    /// The position of the generation that a projection's rebuild fills; `None` when none is under way.
    pub(crate) async fn rebuilding(&self, projection: &str) -> anyhow::Result<Option<u64>> {
        Ok(match (projection, &self.tree) {
            ("mysql", _) => loki_mysql::rebuilding(&self.relational, Projected::State).await?,
            // it does not tell
            ("redis", _) => None,
            ("history", _) => loki_mysql::rebuilding(&self.relational, Projected::History).await?,
            ("task_logs", _) => loki_mysql::rebuilding(&self.relational, Projected::TaskLogs).await?,
            ("cdn_system", _) => loki_mysql::rebuilding(&self.cdn_system, Projected::Domains).await?,
            (_, Tree::Zookeeper(config)) => loki_zookeeper::rebuilding(config).await?,
            (_, Tree::Memory(_)) => None,
        })
    }

    fn redis(&self) -> anyhow::Result<&loki_redis::Config> {
        self.samples.redis().context(NO_REDIS)
    }

    /// Gives the data directory back.
    pub(crate) async fn close(self) {
        if let Some(log) = self.embedded_log {
            log.close().await;
        }
    }
}

/// Lets one loop run whichever adapter was chosen.
pub(crate) struct Chosen(pub(crate) Box<dyn Projection<Item = Fact>>);

#[async_trait]
impl Projection for Chosen {
    type Item = Fact;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn stored(&mut self) -> Result<Option<Stored>, loki_runner::StoreError> {
        self.0.stored().await
    }

    fn is_asked(&self) -> bool {
        self.0.is_asked()
    }

    async fn apply(&mut self, batch: loki_runner::Batch<'_, Fact>) -> Result<loki_runner::Applied, loki_runner::StoreError> {
        self.0.apply(batch).await
    }

    async fn begin_rebuild(&mut self, log: loki_domain::LogId, from: u64) -> Result<(), loki_runner::StoreError> {
        self.0.begin_rebuild(log, from).await
    }

    async fn finish_rebuild(
        &mut self,
        log: loki_domain::LogId,
        at: u64,
        ended_ms: i64,
    ) -> Result<loki_runner::Applied, loki_runner::StoreError> {
        self.0.finish_rebuild(log, at, ended_ms).await
    }
}
