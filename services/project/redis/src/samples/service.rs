//! The samples' projector, from the top: this process' share of the partitions, a task each.

use std::sync::Arc;

use loki_log::Log;
use loki_runner::{Error, Share, ShareConfig};
use loki_runtime::{Clock, Shutdown};
use loki_telemetry::Component;

use super::config::SamplesConfig;
use super::port::SamplesStore;
use super::projector::Projector;
use crate::metrics;

/// Runs until shutdown. An error is one that waiting cannot mend.
pub async fn run(
    log: Arc<dyn Log>,
    store: Arc<dyn SamplesStore>,
    config: SamplesConfig,
    clock: Clock,
    health: Component,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let share = ShareConfig {
        name: metrics::SAMPLES_NAME,
        topic: config.topic.clone(),
        group: config.group.clone(),
        batch_records_max: config.batch_records_max,
        drain: config.drain,
    };
    let projector = Projector::new(log.clone(), store, config, clock.clone());
    Share::new(log, share, clock, health).run(move |hold| projector.clone().work(hold), shutdown).await
}
