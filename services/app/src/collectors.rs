//! The services that speak with nothing but the API, as collectors of any kind do: each with its settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use loki_agent::{Agent, Bell, Bells, Deploys, Limits, Ring};
use loki_domain::PublicKey;
use loki_prober::{Fixed, Prober};
use loki_runtime::Clock;
use loki_telemetry::Health;

use crate::settings::{Settings, TasksBy};

/// Where they find the API: their own setting, or the one of this process.
pub(crate) fn api(settings: &Settings, own: Option<SocketAddr>) -> String {
    own.map_or_else(|| settings.agent.api.clone(), |address| format!("http://{address}"))
}

/// What only a process with all services knows of its agent.
#[derive(Default)]
pub(crate) struct Own {
    /// Where a server is mounted that is mounted nowhere.
    pub(crate) node: Option<String>,
    /// Of the decider beside it.
    pub(crate) key: Option<PublicKey>,
}

pub(crate) fn agent(settings: &Settings, api: String, own: Own, drain: Duration, health: &Health) -> anyhow::Result<Agent> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let config = loki_agent::Config {
        token: settings.api.token.clone(),
        server: given(&settings.agent.server),
        register: settings.agent.register,
        node: own.node.or_else(|| given(&settings.agent.node)),
        every: settings.agent.every.0,
        spool_bytes_max: settings.agent.spool_max.0,
        deploys: deploys(settings, own.key)?,
        drain,
        ..loki_agent::Config::new(api, settings.data_dir.join("agent"))
    };
    let agent = Agent::new(config, health.component("agent"), Clock::system())?;
    Ok(match settings.agent.tasks_by {
        TasksBy::LongPoll => agent,
        TasksBy::Zookeeper => agent.with_bells(bells(settings)),
    })
}

/// Bells in ZooKeeper.
fn bells(settings: &Settings) -> Bells {
    let config = settings.zookeeper_config();
    Arc::new(move |server| Box::new(Rung(loki_zookeeper::Bell::new(config.clone(), server))))
}

struct Rung(loki_zookeeper::Bell);

#[async_trait]
impl Bell for Rung {
    async fn rung(&mut self) -> Ring {
        match self.0.rung().await {
            loki_zookeeper::Ring::Fact(fact) => Ring::Fact(fact),
            loki_zookeeper::Ring::Again => Ring::Again,
            loki_zookeeper::Ring::Away(why) => Ring::Away(why),
        }
    }
}

/// `None`: no key is known, and nothing is carried out.
fn deploys(settings: &Settings, own: Option<PublicKey>) -> anyhow::Result<Option<Deploys>> {
    let given = settings.agent.task_keys.iter().map(|key| key.parse::<PublicKey>().map_err(|why| anyhow!("`agent.task_keys`: {why}")));
    let keys = given.chain(own.map(Ok)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Ok(None);
    }
    let root = match settings.agent.deploys.as_str() {
        "" => settings.data_dir.join("deploys"),
        root => root.into(),
    };
    let root = std::path::absolute(&root).with_context(|| format!("`agent.deploys` is `{}`", root.display()))?;
    let minisign = Some(settings.agent.minisign.clone()).filter(|key| !key.is_empty());
    let limits = Limits {
        kept: settings.agent.releases_kept,
        archive_bytes_max: settings.agent.archive_max.0,
        unpacked_bytes_max: settings.agent.unpacked_max.0,
        entries_max: settings.agent.entries_max,
        free_bytes_min: settings.agent.free_min.0,
    };
    Ok(Some(Deploys { root, keys, minisign, limits }))
}

/// `own`: the API of this process, which is probed beside the domains of the tree.
pub(crate) fn prober(
    settings: &Settings,
    api: String,
    own: Option<SocketAddr>,
    drain: Duration,
    health: &Health,
) -> anyhow::Result<Prober> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let fixed = settings.prober.urls.iter().map(Fixed::own).chain(own.map(|address| Fixed::own(format!("http://{address}/livez"))));
    let config = loki_prober::Config {
        token: settings.api.token.clone(),
        vantage: given(&settings.prober.vantage),
        node: given(&settings.prober.node),
        fixed: fixed.collect(),
        controls: settings.prober.controls.clone(),
        every: settings.prober.every.0,
        ca_file: given(&settings.prober.ca_file).map(Into::into),
        drain,
        ..loki_prober::Config::new(api)
    };
    Ok(Prober::new(config, health.component("prober"), Clock::system())?)
}
