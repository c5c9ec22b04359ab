//! A store in memory that keeps the promise, and can be told to fail in each of the ways that a store may fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Instant, Sample, Series, Value};
use loki_runtime::task;

use crate::error::StoreError;
use crate::port::{Found, Newest, Refused, SeriesStore, Why};

/// What goes wrong. Rates are out of 1,000.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Calls that end with an error, having done nothing, a part, or everything.
    pub fails: u64,
    /// Points that are refused for now: throttled, late (and stored all the same, or not), or failed.
    pub refuses: u64,
    /// Every call ends with an error, having done nothing.
    pub is_away: bool,
    /// Points whose metric begins with `stuck.` fail, while others are stored.
    pub is_partly_away: bool,
    /// Only looking up ends with an error.
    pub cannot_find: bool,
    /// The longest that a call takes; each takes another part of it.
    pub takes: Duration,
}

/// Cheap to clone. Points whose metric begins with `refused.` are refused for good.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cells: Mutex<BTreeMap<Series, BTreeMap<Instant, Vec<Value>>>>,
    faults: Mutex<Faults>,
    seed: AtomicU64,
    /// Counts crashes: what was on its way before the last one is lost.
    crashes: AtomicU64,
    puts: AtomicU64,
    finds: AtomicU64,
}

impl MemoryStore {
    pub fn set(&self, faults: Faults) {
        *lock(&self.0.faults) = faults;
    }

    /// Loses what is not durable.
    pub fn crash(&self) {
        self.0.crashes.fetch_add(1, Ordering::SeqCst);
    }

    /// All points, with every value of each instant.
    pub fn cells(&self) -> BTreeMap<(Series, Instant), Vec<Value>> {
        let cells = lock(&self.0.cells);
        cells.iter().flat_map(|(series, of)| of.iter().map(|(at, values)| ((series.clone(), *at), values.clone()))).collect()
    }

    /// Calls so far: puts, and finds.
    pub fn calls(&self) -> (u64, u64) {
        (self.0.puts.load(Ordering::SeqCst), self.0.finds.load(Ordering::SeqCst))
    }

    /// Writes a value beside others, as somebody else may.
    pub fn write(&self, sample: &Sample) {
        let mut cells = lock(&self.0.cells);
        let values = cells.entry(sample.series.clone()).or_default().entry(sample.at).or_default();
        if !values.contains(&sample.value) {
            values.push(sample.value);
        }
    }

    /// One in so many is true.
    fn happens(&self, rate: u64) -> bool {
        self.random() % 1_000 < rate
    }

    /// Good enough to choose.
    fn random(&self) -> u64 {
        let mut number = self.0.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    async fn takes(&self) -> Faults {
        let faults = *lock(&self.0.faults);
        if !faults.takes.is_zero() {
            task::sleep(faults.takes.mul_f64((self.random() % 1_000) as f64 / 1_000.0)).await;
        }
        faults
    }
}

#[async_trait]
impl SeriesStore for MemoryStore {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        self.0.puts.fetch_add(1, Ordering::SeqCst);
        let crashes = self.0.crashes.load(Ordering::SeqCst);
        let faults = self.takes().await;
        if faults.is_away {
            return Err(StoreError::Away("it is switched off".to_owned()));
        }
        let fails = self.happens(faults.fails);
        // how many of them are written before it fails
        let reach = if fails { self.random() as usize % (samples.len() + 1) } else { samples.len() };
        let mut refused = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            if self.0.crashes.load(Ordering::SeqCst) != crashes {
                return Err(StoreError::Away("it crashed".to_owned()));
            }
            if sample.series.metric.as_str().starts_with("refused.") {
                refused.push(Refused { index, why: Why::Invalid("it begins with `refused.`".to_owned()) });
            } else if faults.is_partly_away && sample.series.metric.as_str().starts_with("stuck.") {
                refused.push(Refused { index, why: Why::Storage("its region is away".to_owned()) });
            } else if self.happens(faults.refuses) {
                let (why, is_stored) = match self.random() % 4 {
                    0 => (Why::Throttled, false),
                    1 => (Why::TimedOut, false),
                    2 => (Why::TimedOut, true),
                    _ => (Why::Storage("a region is away".to_owned()), false),
                };
                refused.push(Refused { index, why });
                if is_stored && index < reach {
                    self.write(sample);
                }
            } else if index < reach {
                self.write(sample);
            }
        }
        if fails { Err(StoreError::Away("it failed".to_owned())) } else { Ok(refused) }
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        self.0.finds.fetch_add(1, Ordering::SeqCst);
        let faults = self.takes().await;
        if faults.is_away || faults.cannot_find || self.happens(faults.fails) {
            return Err(StoreError::Away("it does not find anything".to_owned()));
        }
        let cells = lock(&self.0.cells);
        let found = |(series, at): &(Series, Instant)| match cells.get(series).and_then(|of| of.get(at)).map(Vec::as_slice) {
            None | Some([]) => Found::Nothing,
            Some([value]) => Found::Value(*value),
            Some(_) => Found::Conflicting,
        };
        Ok(points.iter().map(found).collect())
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        let faults = self.takes().await;
        if faults.is_away || faults.cannot_find {
            return Err(StoreError::Away("it does not find anything".to_owned()));
        }
        let cells = lock(&self.0.cells);
        let newest =
            |series: &Series| cells.get(series).and_then(|of| of.last_key_value()).map_or(Newest::Never, |(at, _)| Newest::At(*at));
        Ok(series.iter().map(newest).collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
