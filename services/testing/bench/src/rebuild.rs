//! A projection's rebuild through its loop: read from the log, decoded, written into a new generation, swapped in.

use std::time::Duration;

use anyhow::{Context, Result};
use loki_log::Topic;
use loki_runner::{Mode, Projection, Runner, RunnerConfig, Snapshot};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;

use crate::facts;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(300);

/// A log that holds the facts.
pub(crate) async fn site(made: &[facts::Made]) -> Result<Site> {
    let site = Site::start().await?;
    site.append(&site.facts(), facts::records(made)).await?;
    Ok(site)
}

/// Facts a second, from the moment at which the loop decides to fill the empty store until it is live with all of them.
pub(crate) async fn time<P: Projection>(site: &Site, projection: P, group: &str) -> Result<f64> {
    let topic = Topic::new(&site.topics.facts);
    let runner = Runner::new(projection, site.log.clone(), RunnerConfig::new(topic.clone(), topic, group), Clock::system(), &Health::new());
    let status = runner.status();
    let shutdown = Shutdown::new();
    let running = task::spawn("projection", runner.run(shutdown.clone()));
    let measured = async {
        status.until(|now| matches!(now.mode, Mode::Rebuilding { .. })).await.context("the loop ended before the rebuild")?;
        let watch = Stopwatch::start();
        let filling =
            |now: &Snapshot, least| matches!(now.mode, Mode::Rebuilding { position, .. } if position >= least) || now.is_caught_up();
        status.until(|now| filling(now, 1)).await.context("the loop ended within the rebuild")?;
        let first = watch.elapsed();
        status.until(|now| filling(now, facts::FACTS as u64)).await.context("the loop ended within the rebuild")?;
        let last = watch.elapsed();
        let now = status.until(|now| now.is_caught_up()).await.context("the loop ended within the rebuild")?;
        anyhow::ensure!(now.position().is_some_and(|position| position >= facts::FACTS as u64), "the store is at {:?}", now.position());
        let end = watch.elapsed();
        println!(
            "  {} ms up to the first batch, {} ms filling, {} ms from the last batch on",
            first.as_millis(),
            (last - first).as_millis(),
            (end - last).as_millis()
        );
        Ok(facts::FACTS as f64 / end.as_secs_f64())
    };
    let rate = task::timeout(PATIENCE, measured).await.context("the rebuild does not end")?;
    shutdown.begin();
    running.await??;
    rate
}
