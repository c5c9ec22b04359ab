//! What cases are made of: samples, steps, a writer that counts positions.

use std::sync::Arc;

use loki_domain::{Instant, LogId, Sample, Series, Tags, Value};
use loki_log::{Partition, Record, Topic};
use loki_runner::{Applied, State, StoreError};

use super::{PARTITIONS, SamplesWorld};
use crate::samples::{Filter, Limits, Page, Place, Reader, SamplesReader, SamplesStore, Shape, Step, Write, fold};

pub fn log(number: u8) -> LogId {
    LogId::from_digest(&[number; 32])
}

/// `tags` as `name=value`, several with commas; the instant in seconds.
pub fn sample(metric: &str, tags: &str, at: i64, value: f64) -> Sample {
    let tags = Tags::new(pairs(tags)).unwrap();
    Sample { series: Series::new(metric.parse().unwrap(), tags), at: Instant::new(at).unwrap(), value: Value::new(value).unwrap() }
}

pub fn filter(metric: &str, tags: &str) -> Filter {
    let tags = pairs(tags).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Filter { metric: metric.parse().unwrap(), tags }
}

fn pairs(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    tags.split(',').filter_map(|tag| tag.split_once('='))
}

/// A record with these points, and when it came.
pub(super) fn record(offset: u64, samples: &[Sample], log_ms: i64) -> Record {
    let (value, headers) = loki_wire::sample::write(samples);
    let partition = Partition::only(&Topic::new("samples"));
    Record { partition, offset, timestamp_ms: log_ms, key: None, value: Some(value), headers }
}

/// One record's steps; of a store of one partition only, so that no point is misplaced.
pub fn steps(from: u64, samples: &[Sample], log_ms: i64, shape: Shape) -> Vec<Step> {
    let all = Shape { partitions: 1, ..shape };
    let limits = Limits { series: 1_000, bytes: 1 << 20 };
    fold(&[record(from, samples, log_ms)], from, from + 1, 0, all, limits).steps
}

/// A process that writes, and where it left each partition.
pub struct Writer {
    pub store: Arc<dyn SamplesStore>,
    pub reader: Reader,
    pub log: LogId,
    pub at: [u64; PARTITIONS as usize],
}

impl Writer {
    /// One that has written nothing.
    pub fn new(world: &dyn SamplesWorld) -> Self {
        let store = world.store();
        Self { reader: Reader::new(store.clone()), store, log: log(1), at: [0; PARTITIONS as usize] }
    }

    /// One whose partitions are all live and empty.
    pub async fn live(world: &dyn SamplesWorld) -> Self {
        let mut writer = Self::new(world);
        for partition in 0..PARTITIONS {
            assert_eq!(writer.begin(partition, 0).await, Applied::Done);
            assert_eq!(writer.state(partition, State::Live).await, Applied::Done);
        }
        writer
    }

    /// Empties a partition, wherever it is.
    pub async fn begin(&mut self, partition: u32, from: u64) -> Applied {
        let seen = self.place(partition).await.map(|place| (place.stored.log, place.stored.position));
        self.at[partition as usize] = from;
        self.store.begin(partition, seen, self.log, from).await.unwrap()
    }

    /// Changes nothing but the state.
    pub async fn state(&mut self, partition: u32, state: State) -> Applied {
        let at = self.at[partition as usize];
        self.apply(partition, &Step { from: at, to: at, ..Step::default() }, state).await.unwrap()
    }

    /// Writes one record with these points to a partition, whatever partition they belong to.
    pub async fn write(&mut self, partition: u32, samples: &[Sample], log_ms: i64) -> Applied {
        let step = steps(self.at[partition as usize], samples, log_ms, self.store.shape()).remove(0);
        self.apply(partition, &step, State::Live).await.unwrap()
    }

    pub async fn apply(&mut self, partition: u32, step: &Step, state: State) -> Result<Applied, StoreError> {
        let write = Write { log: self.log, step, state, ended_ms: None };
        let applied = self.store.apply(partition, write).await?;
        if applied == Applied::Done {
            self.at[partition as usize] = step.to;
        }
        Ok(applied)
    }

    /// Writes each point to the partition that it belongs to.
    pub async fn spread(&mut self, samples: &[Sample], log_ms: i64) {
        for partition in 0..PARTITIONS {
            let here: Vec<Sample> = samples.iter().filter(|sample| sample.series.partition(PARTITIONS) == partition).cloned().collect();
            for some in here.chunks(1_000) {
                assert_eq!(self.write(partition, some, log_ms).await, Applied::Done);
            }
        }
    }

    pub async fn place(&self, partition: u32) -> Option<Place> {
        self.store.place(partition).await.unwrap()
    }

    /// All values of a metric with these tags, as `series instant value`.
    pub async fn values(&self, metric: &str, tags: &str) -> Vec<String> {
        self.page(metric, tags, None).await.values.iter().map(|(series, last)| format!("{series} {} {}", last.at, last.value)).collect()
    }

    pub async fn page(&self, metric: &str, tags: &str, after: Option<&str>) -> Page {
        self.reader.last(&filter(metric, tags), after, 1_000).await.unwrap()
    }
}
