//! The server: listens, serves, drains.

use std::sync::Arc;

use axum::Router;
use loki_artifacts::{Artifacts, Buckets};
use loki_intake::Intake;
use loki_log::{Log, Partition, Topic};
use loki_mysql::port::{DeployReader, DomainReader, HistoryReader, StateReader, TaskLogReader};
use loki_opentsdb::SeriesReader;
use loki_redis::facts::ServersReader;
use loki_redis::samples::Reader;
use loki_runtime::{Shutdown, task};
use loki_telemetry::{Health, Metrics};
use loki_wire::Topics;
use loki_zookeeper::TreeReader;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::command::undecided::Counted;
use crate::config::Config;
use crate::connections::{self, Bounds, Routers};
use crate::dead::index::Index;
use crate::error::Error;
use crate::floor::Floors;
use crate::limit::Streams;
use crate::tail::Tail;
use crate::{metrics, router};

/// What the routes share.
pub type App = Arc<Shared>;

/// Everything that a route may need.
pub struct Shared {
    pub config: Config,
    pub log: Arc<dyn Log>,
    pub intake: Intake,
    pub series: Arc<dyn SeriesReader>,
    pub topics: Topics,
    pub commands: Topic,
    pub facts: Topic,
    pub outcomes: Topic,
    pub task_log_topic: Topic,
    pub dead: Topic,
    pub tail: Tail,
    pub(crate) letters: Index,
    pub streams: Streams,
    pub undecided: Counted,
    pub state: Arc<dyn StateReader>,
    pub deploys: Arc<dyn DeployReader>,
    pub history: Arc<dyn HistoryReader>,
    pub task_logs: Arc<dyn TaskLogReader>,
    pub domains: Arc<dyn DomainReader>,
    pub tree: Arc<dyn TreeReader>,
    pub servers: Option<Arc<dyn ServersReader>>,
    pub live: Reader,
    pub artifacts: Option<Artifacts>,
    pub buckets: Buckets,
    pub health: Health,
    pub shutdown: Shutdown,
}

/// What the API reads from.
pub struct Sources {
    pub log: Arc<dyn Log>,
    /// The way of samples into the log.
    pub intake: Intake,
    pub series: Arc<dyn SeriesReader>,
    pub state: Arc<dyn StateReader>,
    pub deploys: Arc<dyn DeployReader>,
    pub history: Arc<dyn HistoryReader>,
    pub task_logs: Arc<dyn TaskLogReader>,
    pub domains: Arc<dyn DomainReader>,
    pub tree: Arc<dyn TreeReader>,
    /// Servers by node; without it the tree answers.
    pub servers: Option<Arc<dyn ServersReader>>,
    /// Last values and presence.
    pub live: Reader,
    /// Archives of packages: the store of our own, and buckets of others.
    pub artifacts: Option<Artifacts>,
    pub buckets: Buckets,
}

pub struct Api {
    app: App,
    floors: Floors,
    listener: TcpListener,
    router: Router,
}

impl Api {
    /// Binds the address, so that a taken port is told at once. `operations`: further routes of this process, with
    /// their description.
    pub async fn bind(
        config: Config,
        sources: Sources,
        topics: &Topics,
        health: Health,
        recorder: Metrics,
        operations: OpenApiRouter,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        loki_telemetry::describe::describe(&metrics::ALL);
        let listener = TcpListener::bind(config.listen).await.map_err(|source| Error::Bind { address: config.listen, source })?;
        let floors = Floors::new(topics);
        let sources = floors.above(sources);
        let app = Arc::new(Shared {
            config,
            log: sources.log,
            intake: sources.intake,
            series: sources.series,
            topics: topics.clone(),
            commands: Topic::new(&topics.commands),
            facts: Topic::new(&topics.facts),
            outcomes: Topic::new(&topics.outcomes),
            task_log_topic: Topic::new(&topics.task_logs),
            dead: Topic::new(&topics.dead),
            tail: Tail::default(),
            letters: Index::default(),
            streams: Streams::default(),
            undecided: Counted::default(),
            state: sources.state,
            deploys: sources.deploys,
            history: sources.history,
            task_logs: sources.task_logs,
            domains: sources.domains,
            tree: sources.tree,
            servers: sources.servers,
            live: sources.live,
            artifacts: sources.artifacts,
            buckets: sources.buckets,
            health,
            shutdown,
        });
        let router = router::router(app.clone(), recorder, operations);
        Ok(Self { app, floors, listener, router })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown, then finishes the requests in hand, as long as `drain` allows.
    pub async fn run(self) -> Result<(), Error> {
        let Self { app, floors, listener, router } = self;
        let shutdown = app.shutdown.clone();
        let component = app.health.component("api");
        floors.follow(&app);
        let tail = task::spawn("outcomes tail", {
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.tail.follow(app.log.clone(), Partition::only(&app.outcomes), component, shutdown).await }
        });
        let letters = task::spawn("dead letters", {
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.letters.follow(app.log.clone(), Partition::only(&app.dead), shutdown).await }
        });
        let routers = Routers { all: router, crowded: router::crowded(&app) };
        let server = connections::serve(listener, routers, Bounds::of(&app.config), &shutdown);
        let drained = async {
            shutdown.begun().await;
            task::sleep(app.config.drain).await;
        };
        tokio::select! {
            () = server => {}
            () = drained => tracing::warn!("requests were still in hand when the drain bound had passed"),
        }
        tail.abort();
        letters.abort();
        Ok(())
    }
}
