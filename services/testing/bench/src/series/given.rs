//! The points that both stores get: an hour of a thousand hosts, and a day of the first.

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use loki_domain::{Instant, Sample, Series, Tags, Value};
use loki_opentsdb::{SeriesStore, StoreError, Why};
use loki_runtime::task;

use crate::recorded::Recording;

/// A full hour, in seconds since 1970.
pub(super) const BEGIN: i64 = 497_000 * HOUR;
pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;
pub(super) const SERIES: usize = 1_000;

const STEP: usize = 10;
/// As the sink does.
const PUT: usize = 1_000;
const PUTS_AT_ONCE: usize = 6;
/// A daemon that has just started throttles, of single points or wholly.
const TRIES: u32 = 20;

pub(super) fn samples() -> Result<Vec<Sample>> {
    let recording = Recording::read()?;
    let usage = recording.values("host.cpu.usage")?;
    let series = (0..SERIES).map(|host| {
        let name = format!("web{host:04}");
        Ok::<_, anyhow::Error>(Series::new("host.cpu.usage".parse()?, Tags::new([("host", name.as_str())])?))
    });
    let series: Vec<Series> = series.collect::<Result<_>>()?;
    let mut samples = Vec::new();
    for at in (0..DAY).step_by(STEP) {
        let hosts = if at < HOUR { SERIES } else { 1 };
        for (host, series) in series.iter().enumerate().take(hosts) {
            let value = usage[(at as usize / STEP + 7 * host) % usage.len()];
            samples.push(Sample { series: series.clone(), at: Instant::new(BEGIN + at)?, value: Value::new(value)? });
        }
    }
    Ok(samples)
}

/// Durable when it returns.
pub(super) async fn put(store: &dyn SeriesStore, samples: &[Sample]) -> Result<()> {
    let puts = samples.chunks(PUT).map(|some| put_all(store, some));
    futures::stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect().await
}

async fn put_all(store: &dyn SeriesStore, samples: &[Sample]) -> Result<()> {
    let mut left = samples.to_vec();
    for tried in 1..=TRIES {
        match store.put(&left).await {
            Ok(refused) if refused.is_empty() => return Ok(()),
            Ok(refused) => {
                let invalid = refused.iter().find(|refused| matches!(refused.why, Why::Invalid(_)));
                anyhow::ensure!(invalid.is_none(), "a point is refused: {invalid:?}");
                left = refused.into_iter().map(|refused| left[refused.index].clone()).collect();
            }
            Err(StoreError::Away(why)) => println!("{} points are put again: {why}", left.len()),
            Err(error) => return Err(error.into()),
        }
        task::sleep(Duration::from_millis(50) * tried).await;
    }
    anyhow::bail!("{} points are still refused after {TRIES} tries", left.len())
}
