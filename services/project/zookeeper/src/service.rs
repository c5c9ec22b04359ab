//! The two ends of the store: the writer, which the loop of `loki-runner` fills, and the reader, which answers.

use loki_runtime::Shutdown;
use loki_telemetry::Component;

use crate::cache::Cache;
use crate::config::Config;
use crate::zookeeper::ZooKeeperProjection;

/// The writer. It connects when it is first used.
pub fn projection(config: &Config) -> ZooKeeperProjection {
    ZooKeeperProjection::new(config.clone())
}

/// The reader, which follows the store in the background until shutdown; `health` is ready while it answers.
pub fn reader(config: &Config, shutdown: &Shutdown, health: Component) -> Cache {
    Cache::start(config.clone(), shutdown.child(), health)
}
