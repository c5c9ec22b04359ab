//! Runs services: builds them in straight lines, one shutdown for all, drains in reverse order.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use loki_api::{Api, Sources};
use loki_decider::Decider;
use loki_intake::{Intake, Telnet};
use loki_log::{Cleanup, Topic};
use loki_opentsdb::{Sink, SinkConfig};
use loki_redis::samples::SamplesConfig;
use loki_runner::{Projection, Runner, RunnerConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::describe::describe;
use loki_telemetry::{Health, Metrics, logs, routes};
use tokio::task::JoinSet;
use utoipa_axum::router::OpenApiRouter;

use crate::admin::operations::{self, Controls};
use crate::backends::{Backends, Chosen, Set};
use crate::collectors;
use crate::service::Service;
use crate::settings::Settings;

/// Of the bound of a shutdown, the API and the decider may use one part in so many; what they leave is the projectors'.
const FRONT_PART: u32 = 2;
/// Where `loki all --this-machine` mounts this machine.
const MACHINES: &str = "/machines";

/// What is to be run.
pub(crate) struct Plan {
    pub(crate) services: Vec<Service>,
    pub(crate) this_machine: bool,
}

/// Runs until SIGTERM, SIGINT or the failure of a service.
pub(crate) async fn run(settings: Settings, plan: Plan) -> anyhow::Result<()> {
    logs::start(&settings.logs.filter, settings.format().unwrap_or(logs::Format::Auto))?;
    let all = plan.services.len() == Service::ALL.len();
    let set = Set::of(&settings, all)?;
    let metrics = Metrics::install().context("the metrics' recorder")?;
    describe_metrics();
    let shutdown = Shutdown::new();
    shutdown.on_signals().context("signals")?;
    let health = Health::new();
    let backends = Arc::new(Backends::open(&settings, set).await?);

    // projectors outlive the API and the decider: what was decided is still applied
    let front = shutdown.child();
    let back = Shutdown::new();
    let mut fronts = JoinSet::new();
    let mut backs = JoinSet::new();
    let mut controls = Controls::default();

    if plan.services.contains(&Service::Mysql) {
        let state = runner(&settings, &backends, &health, backends.state_projection()?, &backends.topics.facts);
        let history = runner(&settings, &backends, &health, backends.history_projection()?, &backends.topics.outcomes);
        let domains = runner(&settings, &backends, &health, backends.domain_projection()?, &backends.topics.facts);
        controls.add("mysql", state.control());
        controls.add("history", history.control());
        controls.add("cdn_system", domains.control());
        spawn(&mut backs, "mysql", state.run(back.clone()));
        spawn(&mut backs, "history", history.run(back.clone()));
        spawn(&mut backs, "cdn_system", domains.run(back.clone()));
    }
    if plan.services.contains(&Service::Zookeeper) {
        let tree = runner(&settings, &backends, &health, Chosen(backends.tree_projection()), &backends.topics.facts);
        controls.add("zookeeper", tree.control());
        spawn(&mut backs, "zookeeper", tree.run(back.clone()));
    }
    if plan.services.contains(&Service::Opentsdb) {
        let samples = &backends.samples;
        let config = SinkConfig { drain: settings.drain.0 / FRONT_PART / 2, ..samples.sink.clone() };
        let sink = Sink::new(samples.store.clone(), backends.log.clone(), config, Clock::system(), &health);
        spawn(&mut backs, "opentsdb", sink.run(back.clone()));
        let (retaining, done) = (backends.clone(), back.clone());
        task::spawn("retention", async move { retaining.samples.retain(Clock::system(), done).await });
    }
    if plan.services.contains(&Service::Redis) {
        let samples = &backends.samples;
        let config = SamplesConfig { drain: settings.drain.0 / FRONT_PART / 2, ..samples.live_config.clone() };
        let component = health.component(loki_redis::metrics::SAMPLES_NAME);
        let live = loki_redis::samples::run(backends.log.clone(), samples.live.clone(), config, Clock::system(), component, back.clone());
        spawn(&mut backs, "redis-samples", live);
        if let Some(projection) = samples.servers_projection()? {
            let servers = sized_runner(&settings, &backends, &health, projection, &backends.topics.facts, loki_redis::facts::sized);
            controls.add("redis", servers.control());
            spawn(&mut backs, "redis", servers.run(back.clone()));
        }
    }
    if plan.services.contains(&Service::Decider) {
        let mut config = loki_decider::Config::new(&settings.topic_prefix);
        config.batch_commands = settings.decider.batch_commands;
        config.batch_wait = settings.decider.batch_wait.0;
        let decider = Decider::new(config, backends.log.clone(), health.component("decider"));
        spawn(&mut fronts, "decider", decider.run(front.clone()));
    }
    let mut address = None;
    if plan.services.contains(&Service::Api) {
        let readers = backends.readers()?;
        let sources = Sources {
            log: backends.log.clone(),
            intake: backends.samples.intake.clone(),
            series: backends.samples.reader.clone(),
            state: readers.state,
            history: readers.history,
            domains: backends.domain_reader()?,
            tree: backends.tree_reader(&health, &shutdown),
            servers: backends.samples.servers_reader()?,
            live: backends.samples.live_reader(),
        };
        let operations = if all { operations::router(backends.clone(), controls.clone(), front.clone()) } else { OpenApiRouter::new() };
        let api = Api::bind(api_config(&settings)?, sources, &backends.topics, health.clone(), metrics.clone(), operations, front.clone())
            .await?;
        address = Some(api.address()?);
        spawn(&mut fronts, "api", api.run());
        if plan.services.contains(&Service::Agent) {
            let node = plan.this_machine.then(|| MACHINES.to_owned());
            let agent = collectors::agent(&settings, collectors::api(&settings, address), node, settings.drain.0 / FRONT_PART / 2, &health);
            match agent {
                Ok(agent) => spawn(&mut fronts, "agent", agent.run(front.clone())),
                // the rest of the platform does not need it
                Err(error) => tracing::warn!(error = format!("{error:#}"), "this machine is not measured"),
            }
        }
        if plan.services.contains(&Service::Prober) {
            let prober =
                collectors::prober(&settings, collectors::api(&settings, address), address, settings.drain.0 / FRONT_PART / 2, &health)?;
            spawn(&mut fronts, "prober", prober.run(front.clone()));
        }
        if let Some(telnet) = telnet(&settings, backends.samples.intake.clone(), all).await? {
            spawn(&mut fronts, "telnet", telnet.run(front.clone()));
        }
    } else {
        telemetry(&settings, &health, &metrics, &mut backs, &back).await?;
    }
    task::spawn("metrics upkeep", metrics.upkeep(back.clone()));
    if let Some(address) = address {
        announce(&settings, set, &health, address, &front);
    }

    let failed = until_done(&shutdown, &mut fronts, &mut backs).await;
    let (watch, drain) = (Stopwatch::start(), settings.drain.0);
    front.begin();
    let first = join(&mut fronts, drain / FRONT_PART).await;
    back.begin();
    let second = join(&mut backs, drain.saturating_sub(watch.elapsed())).await;
    shutdown.begin();
    if let Ok(backends) = Arc::try_unwrap(backends).map_err(drop) {
        backends.close().await;
    }
    tracing::info!("stopped");
    failed.and(first).and(second)
}

/// Runs a service that needs the API alone, until SIGTERM, SIGINT or its failure.
pub(crate) async fn alone(settings: Settings, service: Service) -> anyhow::Result<()> {
    logs::start(&settings.logs.filter, settings.format().unwrap_or(logs::Format::Auto))?;
    let metrics = Metrics::install().context("the metrics' recorder")?;
    describe_metrics();
    let shutdown = Shutdown::new();
    shutdown.on_signals().context("signals")?;
    let health = Health::new();
    let (front, back) = (shutdown.child(), Shutdown::new());
    let (mut fronts, mut backs) = (JoinSet::new(), JoinSet::new());
    let api = collectors::api(&settings, None);
    match service {
        Service::Agent => {
            let agent = collectors::agent(&settings, api, None, settings.drain.0 / FRONT_PART, &health)?;
            spawn(&mut fronts, "agent", agent.run(front.clone()));
        }
        Service::Prober => {
            let prober = collectors::prober(&settings, api, None, settings.drain.0 / FRONT_PART, &health)?;
            spawn(&mut fronts, "prober", prober.run(front.clone()));
        }
        other => anyhow::bail!("{other:?} does not run alone"),
    }
    telemetry(&settings, &health, &metrics, &mut backs, &back).await?;
    task::spawn("metrics upkeep", metrics.upkeep(back.clone()));
    let failed = until_done(&shutdown, &mut fronts, &mut backs).await;
    front.begin();
    let first = join(&mut fronts, settings.drain.0 / FRONT_PART).await;
    back.begin();
    let second = join(&mut backs, settings.drain.0 / FRONT_PART).await;
    shutdown.begin();
    tracing::info!("stopped");
    failed.and(first).and(second)
}

/// Health and metrics of a process without the API.
async fn telemetry(settings: &Settings, health: &Health, metrics: &Metrics, tasks: &mut Tasks, stop: &Shutdown) -> anyhow::Result<()> {
    let listen = settings.telemetry.listen.clone();
    let listener = tokio::net::TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on `telemetry.listen` {listen}"))?;
    let (router, done) = (routes::router(health.clone(), metrics.clone()), stop.clone());
    spawn(tasks, "telemetry", async move { axum::serve(listener, router).with_graceful_shutdown(async move { done.begun().await }).await });
    Ok(())
}

/// Gives every metric of this process its help text.
fn describe_metrics() {
    loki_log::metrics::describe();
    describe(&loki_agent::metrics::ALL);
    loki_intake::metrics::describe();
    loki_decider::metrics::describe();
    loki_runner::metrics::describe();
    describe(loki_opentsdb::metrics::ALL);
    describe(loki_redis::metrics::ALL);
    describe(&loki_prober::metrics::ALL);
    describe(&loki_mysql::metrics::ALL);
    describe(loki_zookeeper::metrics::ALL);
}

type Tasks = JoinSet<anyhow::Result<()>>;

fn spawn<E: Into<anyhow::Error> + 'static>(
    tasks: &mut Tasks,
    name: &'static str,
    service: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    tasks.spawn(async move { service.await.map_err(|error| error.into().context(format!("service `{name}`"))) });
}

/// Waits for a signal or the first service that ends by itself.
async fn until_done(shutdown: &Shutdown, fronts: &mut Tasks, backs: &mut Tasks) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.begun() => Ok(()),
        Some(ended) = fronts.join_next() => ended?,
        Some(ended) = backs.join_next() => ended?,
    }
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

fn runner<P: Projection>(settings: &Settings, backends: &Backends, health: &Health, projection: P, topic: &str) -> Runner<P> {
    sized_runner(settings, backends, health, projection, topic, |config| config)
}

/// The same for a store that takes smaller steps than others.
fn sized_runner<P: Projection>(
    settings: &Settings,
    backends: &Backends,
    health: &Health,
    projection: P,
    topic: &str,
    sized: impl FnOnce(RunnerConfig) -> RunnerConfig,
) -> Runner<P> {
    let group = backends.topics.group(projection.name());
    let mut config = RunnerConfig::new(Topic::new(topic), Topic::new(&backends.topics.facts), group);
    // it finishes a step, and then leaves the group
    config.drain = settings.drain.0 / FRONT_PART / 2;
    config.batch_records_max = settings.projectors.batch_records;
    config.rebuild_records_max = settings.projectors.rebuild_batch_records;
    let compacted = backends.specs.iter().find(|spec| spec.name == topic).filter(|spec| spec.cleanup == Cleanup::Compact);
    let kept = |of: Option<u64>| of.map(|kept| i64::try_from(kept).unwrap_or(i64::MAX));
    config.steps_kept_ms = compacted.and_then(|spec| kept(spec.min_compaction_lag_ms));
    config.removals_kept_ms = compacted.and_then(|spec| kept(spec.delete_retention_ms));
    Runner::new(projection, backends.log.clone(), sized(config), Clock::system(), health)
}

fn api_config(settings: &Settings) -> anyhow::Result<loki_api::Config> {
    Ok(loki_api::Config {
        listen: settings.api.listen.parse().context("`api.listen`")?,
        token: settings.api.token.clone(),
        body_max: usize::try_from(settings.api.body_max.0).unwrap_or(usize::MAX),
        wait_max: settings.api.wait_max.0,
        concurrency_max: settings.api.concurrency_max,
        connections_max: settings.api.connections_max,
        drain: settings.drain.0 / FRONT_PART,
    })
}

/// The listener of OpenTSDB's telnet protocol, unless it is switched off. `all`: whoever tries everything on one machine may have an OpenTSDB on it.
async fn telnet(settings: &Settings, intake: Intake, all: bool) -> anyhow::Result<Option<Telnet>> {
    if settings.telnet.listen.is_empty() {
        return Ok(None);
    }
    let config = loki_intake::telnet::Config {
        connections_max: settings.telnet.connections_max,
        drain: settings.drain.0 / FRONT_PART,
        ..loki_intake::telnet::Config::new(settings.telnet.listen.parse().context("`telnet.listen`")?)
    };
    match Telnet::bind(config, intake).await {
        Ok(telnet) => Ok(Some(telnet)),
        Err(error) if all => {
            tracing::warn!(error = %error, "points are not taken over telnet");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says where the API is as soon as everything is ready.
fn announce(settings: &Settings, set: Set, health: &Health, address: std::net::SocketAddr, shutdown: &Shutdown) {
    let (health, shutdown) = (health.clone(), shutdown.clone());
    let place = match set {
        Set::Embedded => format!("embedded backends in {}", settings.data_dir.display()),
        Set::Real => "real backends".to_owned(),
    };
    task::spawn("announce", async move {
        while !health.report().ready {
            if shutdown.unless(task::sleep(Duration::from_millis(20))).await.is_none() {
                return;
            }
        }
        tracing::info!(address = %address, "ready");
        // the one line that a person who starts it waits for; it serves all the same when nobody reads it
        let _ = writeln!(std::io::stdout(), "loki is ready: http://{address} ({place})");
    });
}
