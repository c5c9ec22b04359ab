//! Builds services in straight lines, and runs them.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use loki_api::{Api, Sources};
use loki_artifacts::{Artifacts, Buckets};
use loki_clock::TimerService;
use loki_decider::Decider;
use loki_intake::{Intake, Telnet};
use loki_log::{Cleanup, Topic};
use loki_opentsdb::{Sink, SinkConfig};
use loki_redis::samples::SamplesConfig;
use loki_runner::{Projection, Runner, RunnerConfig};
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::signature;
use utoipa_axum::router::OpenApiRouter;

use crate::admin::operations::{self, Controls};
use crate::backends::{Backends, Chosen, Set};
use crate::collectors::Own;
use crate::process::{FRONT_PART, Process, describe_collectors, describe_metrics};
use crate::service::Service;
use crate::settings::Settings;
use crate::{collectors, descriptors, keys};

/// Where `loki all --this-machine` mounts this machine.
const MACHINES: &str = "/machines";

/// What is to be run.
pub(crate) struct Plan {
    pub(crate) services: Vec<Service>,
    pub(crate) this_machine: bool,
}

/// Runs until SIGTERM, SIGINT or the failure of a service.
pub(crate) async fn run(settings: Settings, plan: Plan) -> anyhow::Result<()> {
    let mut process = Process::start(&settings)?;
    describe_metrics();
    let all = plan.services.len() == Service::ALL.len();
    let set = Set::of(&settings, all)?;
    let backends = Arc::new(Backends::open(&settings, set).await?);
    let mut controls = Controls::default();

    if plan.services.contains(&Service::Mysql) {
        let state = runner(&settings, &backends, &process.health, backends.state_projection()?, &backends.topics.facts);
        let history = runner(&settings, &backends, &process.health, backends.history_projection()?, &backends.topics.outcomes);
        let task_logs = runner(&settings, &backends, &process.health, backends.task_log_projection()?, &backends.topics.task_logs);
        let domains = runner(&settings, &backends, &process.health, backends.domain_projection()?, &backends.topics.facts);
        controls.add("mysql", state.control());
        controls.add("history", history.control());
        controls.add("task_logs", task_logs.control());
        controls.add("cdn_system", domains.control());
        process.spawn_back("mysql", state.run(process.back.clone()));
        process.spawn_back("history", history.run(process.back.clone()));
        process.spawn_back("task_logs", task_logs.run(process.back.clone()));
        process.spawn_back("cdn_system", domains.run(process.back.clone()));
    }
    if plan.services.contains(&Service::Zookeeper) {
        let tree = runner(&settings, &backends, &process.health, Chosen(backends.tree_projection()), &backends.topics.facts);
        controls.add("zookeeper", tree.control());
        process.spawn_back("zookeeper", tree.run(process.back.clone()));
    }
    if plan.services.contains(&Service::Opentsdb) {
        let samples = &backends.samples;
        let config = SinkConfig { drain: settings.drain.0 / FRONT_PART / 2, ..samples.sink.clone() };
        let sink = Sink::new(samples.store.clone(), backends.log.clone(), config, Clock::system(), &process.health);
        process.spawn_back("opentsdb", sink.run(process.back.clone()));
        let (retaining, done) = (backends.clone(), process.back.clone());
        task::spawn("retention", async move { retaining.samples.retain(Clock::system(), done).await });
    }
    if plan.services.contains(&Service::Redis) {
        let samples = &backends.samples;
        let config = SamplesConfig { drain: settings.drain.0 / FRONT_PART / 2, ..samples.live_config.clone() };
        let component = process.health.component(loki_redis::metrics::SAMPLES_NAME);
        let live =
            loki_redis::samples::run(backends.log.clone(), samples.live.clone(), config, Clock::system(), component, process.back.clone());
        process.spawn_back("redis-samples", live);
        if let Some(projection) = samples.servers_projection()? {
            let servers = sized_runner(&settings, &backends, &process.health, projection, &backends.topics.facts, loki_redis::facts::sized);
            controls.add("redis", servers.control());
            process.spawn_back("redis", servers.run(process.back.clone()));
        }
    }
    let signer = if plan.services.contains(&Service::Decider) { keys::signer(&settings, set)? } else { None };
    if plan.services.contains(&Service::Decider) {
        let mut config = loki_decider::Config::new(&settings.topic_prefix);
        config.batch_commands = settings.decider.batch_commands;
        config.batch_wait = settings.decider.batch_wait.0;
        config.signer.clone_from(&signer);
        let decider = Decider::new(config, backends.log.clone(), process.health.component("decider"));
        process.spawn_front("decider", decider.run(process.front.clone()));
    }
    if plan.services.contains(&Service::Clock) {
        let config = loki_clock::Config::new(&settings.topic_prefix);
        let timers = TimerService::new(config, backends.log.clone(), Clock::system(), process.health.component("clock"));
        process.spawn_front("clock", timers.run(process.front.clone()));
    }
    let mut address = None;
    if plan.services.contains(&Service::Api) {
        let readers = backends.readers()?;
        let sources = Sources {
            log: backends.log.clone(),
            intake: backends.samples.intake.clone(),
            series: backends.samples.reader.clone(),
            state: readers.state,
            deploys: readers.deploys,
            history: readers.history,
            task_logs: readers.task_logs,
            domains: backends.domain_reader()?,
            tree: backends.tree_reader(&process.health, &process.shutdown),
            servers: backends.samples.servers_reader()?,
            live: backends.samples.live_reader(),
            artifacts: artifacts(&settings, set)?,
            buckets: Buckets::open(&settings.artifacts.buckets, &options(&settings)).context("`artifacts.buckets`")?,
        };
        let operations =
            if all { operations::router(backends.clone(), controls.clone(), process.front.clone()) } else { OpenApiRouter::new() };
        descriptors::allow(settings.api.connections_max);
        let api = Api::bind(
            api_config(&settings)?,
            sources,
            &backends.topics,
            process.health.clone(),
            process.metrics.clone(),
            operations,
            process.front.clone(),
        )
        .await?;
        address = Some(api.address()?);
        process.spawn_front("api", api.run());
        if plan.services.contains(&Service::Agent) {
            let own = Own { node: plan.this_machine.then(|| MACHINES.to_owned()), key: signer.as_ref().map(signature::Secret::public) };
            let agent =
                collectors::agent(&settings, collectors::api(&settings, address), own, settings.drain.0 / FRONT_PART / 2, &process.health);
            match agent {
                Ok(agent) => process.spawn_front("agent", agent.run(process.front.clone())),
                // the rest of the platform does not need it
                Err(error) => tracing::warn!(error = format!("{error:#}"), "this machine is not measured"),
            }
        }
        if plan.services.contains(&Service::Prober) {
            let prober = collectors::prober(
                &settings,
                collectors::api(&settings, address),
                address,
                settings.drain.0 / FRONT_PART / 2,
                &process.health,
            )?;
            process.spawn_front("prober", prober.run(process.front.clone()));
        }
        if let Some(telnet) = telnet(&settings, backends.samples.intake.clone(), all).await? {
            process.spawn_front("telnet", telnet.run(process.front.clone()));
        }
    } else {
        process.telemetry(&settings).await?;
    }
    if let Some(address) = address {
        announce(&settings, set, plan.this_machine, &process.health, address, &process.front);
    }

    let ended = process.until_ended().await;
    if let Ok(backends) = Arc::try_unwrap(backends).map_err(drop) {
        backends.close().await;
    }
    tracing::info!("stopped");
    ended
}

/// Runs a service that needs the API alone, until SIGTERM, SIGINT or its failure.
pub(crate) async fn alone(settings: Settings, service: Service) -> anyhow::Result<()> {
    let mut process = Process::start(&settings)?;
    describe_collectors();
    let api = collectors::api(&settings, None);
    match service {
        Service::Agent => {
            let agent = collectors::agent(&settings, api, Own::default(), settings.drain.0 / FRONT_PART, &process.health)?;
            process.spawn_front("agent", agent.run(process.front.clone()));
        }
        Service::Prober => {
            let prober = collectors::prober(&settings, api, None, settings.drain.0 / FRONT_PART, &process.health)?;
            process.spawn_front("prober", prober.run(process.front.clone()));
        }
        other => anyhow::bail!("{other:?} does not run alone"),
    }
    process.telemetry(&settings).await?;
    let ended = process.until_ended().await;
    tracing::info!("stopped");
    ended
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

/// The store of archives, if there is one.
fn artifacts(settings: &Settings, set: Set) -> anyhow::Result<Option<Artifacts>> {
    match (settings.artifacts.url.as_str(), set) {
        ("", Set::Real) => Ok(None),
        ("", Set::Embedded) => Ok(Some(Artifacts::in_folder(&settings.data_dir.join("artifacts"))?)),
        (url, _) => Ok(Some(Artifacts::open(url, options(settings)).context("`artifacts.url`")?)),
    }
}

/// Of S3.
fn options(settings: &Settings) -> Vec<(String, String)> {
    settings.artifacts.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn api_config(settings: &Settings) -> anyhow::Result<loki_api::Config> {
    Ok(loki_api::Config {
        listen: settings.api.listen.parse().context("`api.listen`")?,
        token: settings.api.token.clone(),
        body_max: usize::try_from(settings.api.body_max.0).unwrap_or(usize::MAX),
        artifact_max: settings.artifacts.size_max.0,
        wait_max: settings.api.wait_max.0,
        concurrency_max: settings.api.concurrency_max,
        agents_max: settings.api.agents_max,
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
fn announce(settings: &Settings, set: Set, this_machine: bool, health: &Health, address: std::net::SocketAddr, shutdown: &Shutdown) {
    let (settings, health, shutdown) = (settings.clone(), health.clone(), shutdown.clone());
    let mut place = match set {
        Set::Embedded => format!("embedded backends in {}", settings.data_dir.display()),
        Set::Real => "real backends".to_owned(),
    };
    task::spawn("announce", async move {
        while !health.report().ready {
            if shutdown.unless(task::sleep(Duration::from_millis(20))).await.is_none() {
                return;
            }
        }
        if this_machine && set == Set::Embedded {
            match shutdown.unless(keys::owner(&settings, address)).await {
                Some(Ok(Some(file))) => place += &format!(", the owner's token in {}", file.display()),
                Some(Ok(None)) => {}
                Some(Err(error)) => tracing::warn!(error = format!("{error:#}"), "there is no owner's token"),
                None => return,
            }
        }
        tracing::info!(address = %address, "ready");
        // the one line that a person who starts it waits for; it serves all the same when nobody reads it
        let _ = writeln!(std::io::stdout(), "loki is ready: http://{address} ({place})");
    });
}
