//! A whole platform in this process: log, decider, projections and API over files in a folder of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use loki_api::{Api, Config, Sources};
use loki_artifacts::{Artifacts, Buckets};
use loki_decider::Decider;
use loki_domain::{Instant, Sample, Series};
use loki_intake::Intake;
use loki_log::recording::Recording;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Topic};
use loki_mysql::port::Dump;
use loki_mysql::{Database, DomainProjection, HistoryProjection, Readers, StateProjection, TaskLogProjection, domain_reader};
use loki_opentsdb::{Answer, Embedded, Found, Newest, Refused, Request, SeriesReader, SeriesStore, Sink, SinkConfig, StoreError};
use loki_redis::samples::{MemorySamples, Reader, SamplesConfig, Shape};
use loki_runner::{Projection, Runner, RunnerConfig};
use loki_runtime::{Clock, Secret, Shutdown};
use loki_telemetry::{Health, Metrics};
use loki_wire::Topics;
use loki_zookeeper::Memory;
use tokio::task::JoinHandle;

use crate::client::Client;

/// A projection's loop.
pub(crate) type Running = JoinHandle<Result<(), loki_runner::Error>>;

pub(crate) struct Cell {
    pub(crate) log: SqliteLog,
    /// What the API sees the log through.
    pub(crate) recording: Recording,
    pub(crate) topics: Topics,
    pub(crate) client: Client,
    pub(crate) health: Health,
    /// Of the API.
    pub(crate) shutdown: Shutdown,
    pub(crate) api: JoinHandle<Result<(), loki_api::Error>>,
    pub(crate) relational: loki_mysql::Config,
    pub(crate) cdn_system: loki_mysql::Config,
    pub(crate) memory: Memory,
    pub(crate) samples: MemorySamples,
    series: Option<Embedded>,
    others: Shutdown,
    projections: Vec<Running>,
    _home: tempfile::TempDir,
}

/// What is not as it is by default.
pub(crate) struct Setting {
    pub(crate) token: &'static str,
    pub(crate) wait_max: Duration,
    pub(crate) concurrency_max: usize,
    pub(crate) agents_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) drain: Duration,
    pub(crate) operations: Router,
    /// Whether the log's topics are made.
    pub(crate) topics: bool,
    /// Whether there are time series.
    pub(crate) series: bool,
    /// The most that one answer of the tree gives.
    pub(crate) nodes_max: usize,
    pub(crate) buckets: Buckets,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            token: "",
            // a machine may stall for some of them
            wait_max: Duration::from_secs(60),
            concurrency_max: 64,
            agents_max: 64,
            connections_max: 1024,
            drain: Duration::from_secs(5),
            operations: Router::new(),
            topics: true,
            series: false,
            nodes_max: loki_zookeeper::live::NODES_MAX,
            buckets: Buckets::default(),
        }
    }
}

impl Cell {
    /// Everything runs and is ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(Setting::default()).await
    }

    pub(crate) async fn start_with(setting: Setting) -> Self {
        let mut cell = Self::api_alone(setting).await;
        cell.start_decider();
        cell.projections = cell.start_projections();
        cell.ready().await;
        cell
    }

    /// The API and nothing else.
    pub(crate) async fn api_alone(setting: Setting) -> Self {
        let home = tempfile::Builder::new().prefix("loki-routes-").tempdir().unwrap();
        let topics = Topics::new("");
        let log = SqliteLog::open(Options::new(home.path())).await.unwrap();
        if setting.topics {
            make_topics(&log).await;
        }
        let relational = loki_mysql::Config::sqlite(home.path().join("store.db"));
        let cdn_system = loki_mysql::Config::sqlite(home.path().join("cdn_system.db")).of(Database::CdnSystem);
        for database in [&relational, &cdn_system] {
            loki_mysql::migrate(database).await.unwrap();
        }
        let readers = Readers::open(&relational).unwrap();
        let memory = Memory::answering_at_most(setting.nodes_max);
        let samples = MemorySamples::new(Shape::new(partitions()));
        let series = setting.series.then(|| {
            let store = loki_series::Store::open(&home.path().join("series"), loki_series::Options::default()).unwrap();
            Embedded::new(Arc::new(store), Clock::system())
        });
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let recording = Recording::new(Arc::new(log.clone()));
        let sources = Sources {
            log: Arc::new(recording.clone()),
            intake: intake(Arc::new(recording.clone())),
            series: series.clone().map_or_else(|| Arc::new(NoSeries) as Arc<dyn SeriesReader>, |series| Arc::new(series)),
            servers: None,
            live: Reader::new(Arc::new(samples.clone())),
            artifacts: Some(Artifacts::in_folder(&home.path().join("artifacts")).unwrap()),
            buckets: setting.buckets.clone(),
            state: readers.state,
            deploys: readers.deploys,
            history: readers.history,
            task_logs: readers.task_logs,
            domains: domain_reader(&cdn_system).unwrap(),
            tree: Arc::new(memory.clone()),
        };
        let (client, api) = serve(sources, setting, health.clone(), shutdown.clone()).await;
        let (others, projections) = (Shutdown::new(), vec![]);
        Self {
            log,
            recording,
            topics,
            client,
            health,
            shutdown,
            api,
            relational,
            cdn_system,
            memory,
            samples,
            series,
            others,
            projections,
            _home: home,
        }
    }

    pub(crate) fn start_decider(&self) {
        let config = loki_decider::Config::new("");
        let decider = Decider::new(config, Arc::new(self.log.clone()), self.health.component("decider"));
        tokio::spawn(decider.run(self.others.clone()));
    }

    pub(crate) fn start_projections(&self) -> Vec<Running> {
        let (_, state) = self.project(StateProjection::state(&self.relational).unwrap(), &self.topics.facts, &self.health);
        let (_, history) = self.start_history();
        let (_, task_logs) = self.start_task_logs();
        let (_, domains) = self.project(DomainProjection::domains(&self.cdn_system).unwrap(), &self.topics.facts, &self.health);
        let (_, tree) = self.project(self.memory.projection(), &self.topics.facts, &self.health);
        self.start_samples();
        vec![state, history, task_logs, domains, tree]
    }

    /// What takes samples.
    pub(crate) fn start_samples(&self) {
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let (samples, facts) = (Topic::new(&self.topics.samples), Topic::new(&self.topics.facts));
        let config = SamplesConfig::new(samples, facts, self.topics.group(loki_redis::metrics::SAMPLES_NAME));
        let component = self.health.component(loki_redis::metrics::SAMPLES_NAME);
        let store = Arc::new(self.samples.clone());
        tokio::spawn(loki_redis::samples::run(log.clone(), store, config, Clock::system(), component, self.others.clone()));
        let config = SinkConfig::new(&self.topics.samples, &self.topics.dead, self.topics.group("opentsdb"), partitions());
        let store = self.series.clone().map_or_else(|| Arc::new(NoSeries) as Arc<dyn SeriesStore>, |series| Arc::new(series));
        tokio::spawn(Sink::new(store, log, config, Clock::system(), &self.health).run(self.others.clone()));
    }

    /// Stops everything but the API.
    pub(crate) async fn stop_projections(&mut self) {
        self.others.begin();
        for projection in self.projections.drain(..) {
            projection.await.unwrap().unwrap();
        }
    }

    /// One more process' API over the same log and stores, which has read nothing yet.
    pub(crate) async fn another_api(&self) -> Client {
        let readers = Readers::open(&self.relational).unwrap();
        let tree = Arc::new(self.memory.clone());
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let domains = domain_reader(&self.cdn_system).unwrap();
        let sources = Sources {
            intake: intake(log.clone()),
            log,
            series: Arc::new(NoSeries),
            state: readers.state,
            deploys: readers.deploys,
            history: readers.history,
            task_logs: readers.task_logs,
            domains,
            tree,
            servers: None,
            live: Reader::new(Arc::new(self.samples.clone())),
            artifacts: None,
            buckets: Default::default(),
        };
        serve(sources, Setting::default(), Health::new(), self.shutdown.clone()).await.0
    }

    /// The history alone, with what stops it.
    pub(crate) fn start_history(&self) -> (Shutdown, Running) {
        self.project(HistoryProjection::history(&self.relational).unwrap(), &self.topics.outcomes, &self.health)
    }

    /// The logs of tasks alone, likewise.
    pub(crate) fn start_task_logs(&self) -> (Shutdown, Running) {
        self.project(TaskLogProjection::task_logs(&self.relational).unwrap(), &self.topics.task_logs, &self.health)
    }

    pub(crate) fn project<P: Projection>(&self, projection: P, topic: &str, health: &Health) -> (Shutdown, Running) {
        let group = self.topics.group(projection.name());
        let config = RunnerConfig::new(Topic::new(topic), Topic::new(&self.topics.facts), group);
        let runner = Runner::new(projection, Arc::new(self.log.clone()), config, Clock::system(), health);
        let stop = self.others.child();
        (stop.clone(), tokio::spawn(runner.run(stop)))
    }

    pub(crate) async fn make_topics(&self) {
        make_topics(&self.log).await;
    }

    pub(crate) async fn ready(&self) {
        until("everything is ready", async || self.client.get("/readyz").await.status == 200).await;
    }

    /// The API alone is ready: it has reached the outcomes' end.
    pub(crate) async fn seen(&self) {
        until("the outcomes' end is seen", async || self.health.report().components.get("api").is_some_and(|said| said == "ready")).await;
    }

    /// Every entity that is there, once every projection has everything.
    pub(crate) async fn state(&self) -> Vec<String> {
        self.settled().await;
        let mut lines = dumped(Readers::open(&self.relational).unwrap().state.dump(None).await.unwrap()).await;
        let domains = dumped(domain_reader(&self.cdn_system).unwrap().dump(None).await.unwrap()).await;
        lines.extend(domains.into_iter().filter(|line| line.starts_with("domain/")));
        lines
    }

    /// Every projection has everything.
    pub(crate) async fn settled(&self) {
        until("everything is applied", async || {
            let status = self.client.get("/v1/status").await.body;
            let projections = status["projections"].as_array().cloned().unwrap_or_default();
            status["undecided"] == 0 && projections.len() == 7 && projections.iter().all(|p| p["state"] == "live" && p["lag"] == 0)
        })
        .await;
    }
}

async fn dumped(mut dump: Box<dyn Dump>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let part = dump.next().await.unwrap();
        if part.is_empty() {
            return lines;
        }
        lines.extend(part);
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.shutdown.begin();
        self.others.begin();
    }
}

/// Time series that are away: what is tested here asks for none.
pub(crate) struct NoSeries;

#[async_trait::async_trait]
impl SeriesReader for NoSeries {
    async fn answer(&self, _: Request) -> Result<Answer, StoreError> {
        Err(StoreError::Away("there are no series here".to_owned()))
    }
}

#[async_trait::async_trait]
impl SeriesStore for NoSeries {
    async fn put(&self, _: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        Err(StoreError::Away("there are no series here".to_owned()))
    }

    async fn find(&self, _: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        Err(StoreError::Away("there are no series here".to_owned()))
    }

    async fn newest(&self, _: &[Series]) -> Result<Vec<Newest>, StoreError> {
        Err(StoreError::Away("there are no series here".to_owned()))
    }
}

/// Last values, of which there are none.
pub(crate) fn live() -> Reader {
    Reader::new(Arc::new(MemorySamples::new(Shape::new(partitions()))))
}

/// Of the samples' topic.
fn partitions() -> u32 {
    let topic = Topics::new("").samples;
    loki_log::declared("").into_iter().find(|declared| declared.spec.name == topic).unwrap().spec.partitions
}

/// The way into the topic of samples.
pub(crate) fn intake(log: Arc<dyn Log>) -> Intake {
    Intake::new(log, Topic::new(Topics::new("").samples), partitions())
}

/// An API over these sources.
pub(crate) async fn serve(
    sources: Sources,
    setting: Setting,
    health: Health,
    shutdown: Shutdown,
) -> (Client, JoinHandle<Result<(), loki_api::Error>>) {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: Secret::new(setting.token),
        body_max: 1 << 20,
        artifact_max: 1 << 20,
        wait_max: setting.wait_max,
        concurrency_max: setting.concurrency_max,
        agents_max: setting.agents_max,
        connections_max: setting.connections_max,
        drain: setting.drain,
    };
    let api = Api::bind(config, sources, &Topics::new(""), health, recorder(), setting.operations.into(), shutdown).await.unwrap();
    let client = Client::new(api.address().unwrap());
    (client, tokio::spawn(api.run()))
}

async fn make_topics(log: &SqliteLog) {
    let specs: Vec<_> = loki_log::declared("").into_iter().map(|declared| declared.spec).collect();
    log.reconcile_topics(&specs, true).await.unwrap();
}

/// Asks until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One recorder for all tests of this process.
fn recorder() -> Metrics {
    static RECORDER: OnceLock<Metrics> = OnceLock::new();
    RECORDER.get_or_init(|| Metrics::install().unwrap()).clone()
}
