//! `loki verify`, the time series: every sample that the log still holds, against the store.
//!
//! The judge is the sink's own, by way of a replay into a store that writes nothing: what the replay would put has to be there already, with
//! the same value. What the judge refuses (bad, late, contradicting) must not be there, and is not looked for.

use std::sync::{Arc, Mutex, PoisonError};
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

pub(super) async fn series(backends: &Backends, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let samples = &backends.samples;
    caught_up(backends).await?;
    let missing = Arc::<Mutex<Vec<Sample>>>::default();
    let compared = Arc::new(Compared { inner: samples.store.clone(), missing: missing.clone() });
    let ended = replay(compared, backends.log.clone(), &samples.sink, |_| (), &Shutdown::new()).await?;
    // what came while it was compared may only now be there
    let suspects = std::mem::take(&mut *missing.lock().unwrap_or_else(PoisonError::into_inner));
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
    missing: Arc<Mutex<Vec<Sample>>>,
}

#[async_trait]
impl SeriesStore for Compared {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        let points: Vec<(Series, Instant)> = samples.iter().map(|sample| (sample.series.clone(), sample.at)).collect();
        let found = self.inner.find(&points).await?;
        let lacks = |(sample, found): (&Sample, Found)| (found != Found::Value(sample.value)).then(|| sample.clone());
        let lacking = samples.iter().zip(found).filter_map(lacks);
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).extend(lacking);
        Ok(Vec::new())
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        self.inner.find(points).await
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        self.inner.newest(series).await
    }
}
