//! The services that speak with nothing but the API, as collectors of any kind do: each with its settings.

use std::net::SocketAddr;
use std::time::Duration;

use loki_agent::Agent;
use loki_prober::{Fixed, Prober};
use loki_runtime::Clock;
use loki_telemetry::Health;

use crate::settings::Settings;

/// Where they find the API: their own setting, or the one of this process.
pub(crate) fn api(settings: &Settings, own: Option<SocketAddr>) -> String {
    own.map_or_else(|| settings.agent.api.clone(), |address| format!("http://{address}"))
}

/// `node`: where a server is mounted that is mounted nowhere.
pub(crate) fn agent(settings: &Settings, api: String, node: Option<String>, drain: Duration, health: &Health) -> anyhow::Result<Agent> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let config = loki_agent::Config {
        token: settings.api.token.clone(),
        server: given(&settings.agent.server),
        register: settings.agent.register,
        node: node.or_else(|| given(&settings.agent.node)),
        every: settings.agent.every.0,
        spool_bytes_max: settings.agent.spool_max.0,
        drain,
        ..loki_agent::Config::new(api, settings.data_dir.join("agent"))
    };
    Ok(Agent::new(config, health.component("agent"), Clock::system())?)
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
