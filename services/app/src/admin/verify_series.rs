//! `loki verify`, the time series: every sample that the log still holds, against the store.
//!
//! The judge is the sink's own, by way of a replay into a store that writes nothing: what the replay would put has to be there already, with
//! the same value. What the judge refuses (bad, late, contradicting) must not be there, and is not looked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use loki_cli::operations::{Difference, Finding, OnFinding};
use loki_domain::{Instant, Sample, Series};
use loki_log::{Partition, Topic};
use loki_opentsdb::{Found, Newest, Refused, SeriesStore, StoreError, replay};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};
use serde_json::value::{RawValue, to_raw_value};

use super::verify::{CATCH_UP, DIFFERENCES_MAX};
use crate::backends::Backends;

const STORE: &str = "opentsdb";
/// Points that are looked up together. OpenTSDB reads an hour of a series whatever is asked of it: few large questions cost it a fraction of many
/// small ones. Some 100 bytes each.
const POINTS_AT_ONCE: usize = 200_000;

pub(super) async fn series(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let samples = &backends.samples;
    caught_up(backends).await?;
    let compared = Arc::new(Compared { inner: samples.store.clone(), found: Mutex::default() });
    let ended = replay(compared.clone(), backends.log.clone(), &samples.sink, |_| (), &Shutdown::new()).await?;
    // what came while it was compared may only now be there
    let suspects = compared.missing().await?;
    if !suspects.is_empty() {
        caught_up(backends).await?;
    }
    let mut differences = 0_u64;
    for some in suspects.chunks(samples.sink.late_points) {
        let points: Vec<(Series, Instant)> = some.iter().map(|sample| (sample.series.clone(), sample.at)).collect();
        for (sample, found) in some.iter().zip(samples.store.find(&points).await?) {
            let (difference, stored) = match found {
                Found::Value(value) if value == sample.value => continue,
                Found::Value(value) => (Difference::Different, Some(raw(value.get()))),
                Found::Conflicting => (Difference::Different, Some(raw("two values"))),
                Found::Nothing => (Difference::Missing, None),
            };
            differences += 1;
            if differences <= DIFFERENCES_MAX {
                let (key, log) = (format!("{} {}", sample.series, sample.at), Some(raw(sample.value.get())));
                out(Finding::Difference { store: STORE.to_owned(), difference, key, log, stored })?;
            }
        }
    }
    out(Finding::Compared { store: STORE.to_owned(), equal: differences == 0, entries: ended.put + ended.there })?;
    Ok(differences == 0)
}

/// Waits until the sink has everything that is in the log now.
async fn caught_up(backends: &Backends) -> anyhow::Result<()> {
    let (topic, sink) = (Topic::new(&backends.topics.samples), &backends.samples.sink);
    let watch = Stopwatch::start();
    for number in 0..sink.partitions {
        let partition = Partition::new(topic.clone(), number);
        let bounds = backends.log.bounds(&partition).await?;
        loop {
            let committed = backends.log.committed(&sink.group, &partition).await?.map_or(bounds.start, |committed| committed.position);
            if committed >= bounds.end {
                break;
            }
            if watch.elapsed() > CATCH_UP {
                bail!("the sink did not come to the end of `{partition}` within {CATCH_UP:?}: is `loki opentsdb` running?");
            }
            task::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

fn raw(value: impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Writes nothing: what it is to write and does not find is kept.
struct Compared {
    inner: Arc<dyn SeriesStore>,
    found: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Not looked up yet.
    pending: Vec<Sample>,
    missing: Vec<Sample>,
}

impl Compared {
    /// All that the store lacks, or has with another value.
    async fn missing(&self) -> Result<Vec<Sample>, StoreError> {
        let pending = std::mem::take(&mut self.held().pending);
        self.look_up(pending).await?;
        Ok(std::mem::take(&mut self.held().missing))
    }

    async fn look_up(&self, samples: Vec<Sample>) -> Result<(), StoreError> {
        let points: Vec<(Series, Instant)> = samples.iter().map(|sample| (sample.series.clone(), sample.at)).collect();
        let found = self.inner.find(&points).await?;
        let lacking = samples.into_iter().zip(found).filter(|(sample, found)| *found != Found::Value(sample.value));
        self.held().missing.extend(lacking.map(|(sample, _)| sample));
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SeriesStore for Compared {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        let full = {
            let mut held = self.held();
            held.pending.extend_from_slice(samples);
            if held.pending.len() >= POINTS_AT_ONCE { std::mem::take(&mut held.pending) } else { Vec::new() }
        };
        if !full.is_empty() {
            // whoever is told of a failure asks for the same again
            let asked = self.look_up(full.clone()).await;
            asked.inspect_err(|_| self.held().pending.extend_from_slice(&full[..full.len() - samples.len()]))?;
        }
        Ok(Vec::new())
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        self.inner.find(points).await
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        self.inner.newest(series).await
    }
}
