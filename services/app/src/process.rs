//! What every process of Loki has: logs, metrics, health, one shutdown for all its services, and their end in order.

use std::time::Duration;

use anyhow::Context;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};
use loki_telemetry::describe::describe;
use loki_telemetry::{Health, Metrics, logs, routes};
use tokio::task::JoinSet;

use crate::settings::Settings;

/// Of the bound of a shutdown, the front may use one part in so many; what it leaves is the back's.
pub(crate) const FRONT_PART: u32 = 2;

type Tasks = JoinSet<anyhow::Result<()>>;

pub(crate) struct Process {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    /// Begins at SIGTERM or SIGINT, and when all services have ended.
    pub(crate) shutdown: Shutdown,
    /// Of those that take work in: the API, the decider, agent and prober.
    pub(crate) front: Shutdown,
    /// Of those that outlive the front, the projectors: what was decided is still applied.
    pub(crate) back: Shutdown,
    fronts: Tasks,
    backs: Tasks,
    drain: Duration,
}

impl Process {
    pub(crate) fn start(settings: &Settings) -> anyhow::Result<Self> {
        logs::start(&settings.logs.filter, settings.format().unwrap_or(logs::Format::Auto))?;
        let metrics = Metrics::install().context("the metrics' recorder")?;
        let shutdown = Shutdown::new();
        shutdown.on_signals().context("signals")?;
        let (front, back) = (shutdown.child(), Shutdown::new());
        task::spawn("metrics upkeep", metrics.clone().upkeep(back.clone()));
        let (fronts, backs) = (JoinSet::new(), JoinSet::new());
        Ok(Self { metrics, health: Health::new(), shutdown, front, back, fronts, backs, drain: settings.drain.0 })
    }

    pub(crate) fn spawn_front<E: Into<anyhow::Error> + 'static>(
        &mut self,
        name: &'static str,
        service: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.fronts.spawn(named(name, service));
    }

    pub(crate) fn spawn_back<E: Into<anyhow::Error> + 'static>(
        &mut self,
        name: &'static str,
        service: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.backs.spawn(named(name, service));
    }

    /// Health and metrics of a process without the API.
    pub(crate) async fn telemetry(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let listen = &settings.telemetry.listen;
        let listener =
            tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `telemetry.listen` {listen}"))?;
        let (router, done) = (routes::router(self.health.clone(), self.metrics.clone()), self.back.clone());
        self.spawn_back("telemetry", async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { done.begun().await }).await
        });
        Ok(())
    }

    /// Waits for a signal or the first service that ends by itself; then lets the front finish, and after it the back.
    pub(crate) async fn until_ended(mut self) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = self.shutdown.begun() => Ok(()),
            Some(ended) = self.fronts.join_next() => ended?,
            Some(ended) = self.backs.join_next() => ended?,
        };
        let watch = Stopwatch::start();
        self.front.begin();
        let first = join(&mut self.fronts, self.drain / FRONT_PART).await;
        self.back.begin();
        let second = join(&mut self.backs, self.drain.saturating_sub(watch.elapsed())).await;
        self.shutdown.begin();
        failed.and(first).and(second)
    }
}

async fn named<E: Into<anyhow::Error>>(name: &'static str, service: impl Future<Output = Result<(), E>>) -> anyhow::Result<()> {
    service.await.map_err(|error| error.into().context(format!("service `{name}`")))
}

/// Lets all finish; what is still at work when the bound has passed is dropped.
async fn join(tasks: &mut Tasks, bound: Duration) -> anyhow::Result<()> {
    let all = async {
        let mut result = Ok(());
        while let Some(ended) = tasks.join_next().await {
            result = result.and(ended.map_err(anyhow::Error::from).and_then(|ended| ended));
        }
        result
    };
    match task::timeout(bound, all).await {
        Some(result) => result,
        None => {
            tracing::warn!(bound_s = bound.as_secs(), "services were still at work when the drain bound had passed");
            tasks.abort_all();
            Ok(())
        }
    }
}

/// Gives every metric of a process with a log its help text.
pub(crate) fn describe_metrics() {
    describe_collectors();
    loki_log::metrics::describe();
    loki_intake::metrics::describe();
    loki_decider::metrics::describe();
    loki_clock::metrics::describe();
    loki_runner::metrics::describe();
    describe(loki_opentsdb::metrics::ALL);
    describe(loki_redis::metrics::ALL);
    describe(&loki_mysql::metrics::ALL);
    describe(loki_zookeeper::metrics::ALL);
}

/// The same for one that runs on every host: what it does not touch takes no memory there.
pub(crate) fn describe_collectors() {
    describe(&loki_telemetry::metrics::ALL);
    describe(&loki_agent::metrics::ALL);
    describe(&loki_executor::metrics::ALL);
    describe(&loki_prober::metrics::ALL);
}
