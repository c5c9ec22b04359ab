//! The embedded adapter: the samples' last values in this process' memory, filled from the log at every start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use loki_domain::LogId;
use loki_runner::{Applied, State, StoreError, Stored};

use super::fold::Step;
use super::lines::{Last, replaces};
use super::port::{Answered, Filter, Place, SamplesStore, Search, Shape, Shelf, Write, removed_max};

/// Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct MemorySamples {
    shape: Shape,
    partitions: Arc<Vec<Mutex<Partition>>>,
}

#[derive(Debug, Default)]
struct Partition {
    place: Option<Place>,
    values: BTreeMap<Arc<str>, Last>,
    /// Each series by the log time of its value.
    times: BTreeSet<(i64, Arc<str>)>,
    hosts: HashMap<Arc<str>, i64>,
    /// Each host by the log time of its last sample.
    host_times: BTreeSet<(i64, Arc<str>)>,
}

impl MemorySamples {
    pub fn new(shape: Shape) -> Self {
        let partitions = (0..shape.partitions).map(|_| Mutex::default()).collect();
        Self { shape, partitions: Arc::new(partitions) }
    }

    /// Empties it, as if the process had just started.
    pub fn clear(&self) {
        for partition in self.partitions.iter() {
            *partition.lock().unwrap_or_else(PoisonError::into_inner) = Partition::default();
        }
    }

    /// How many series and hosts a partition holds, those included that are too old and not yet removed.
    pub fn size(&self, partition: u32) -> (usize, usize) {
        self.partition(partition).map_or((0, 0), |partition| (partition.values.len(), partition.hosts.len()))
    }

    fn partition(&self, number: u32) -> Result<MutexGuard<'_, Partition>, StoreError> {
        let found = self.partitions.get(number as usize);
        let found = found.ok_or_else(|| StoreError::Unusable(format!("there is no partition {number} of {}", self.shape.partitions)))?;
        Ok(found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SamplesStore for MemorySamples {
    fn shape(&self) -> Shape {
        self.shape
    }

    async fn place(&self, partition: u32) -> Result<Option<Place>, StoreError> {
        Ok(self.partition(partition)?.place)
    }

    async fn begin(&self, partition: u32, seen: Option<(LogId, u64)>, log: LogId, from: u64) -> Result<Applied, StoreError> {
        let mut partition = self.partition(partition)?;
        if partition.place.map(|place| (place.stored.log, place.stored.position)) != seen {
            return Ok(Applied::Refused);
        }
        let stored = Stored { log, position: from, state: State::Building, ended_ms: 0 };
        let filled = partition.place.map_or(0, |place| place.filled) + 1;
        *partition = Partition { place: Some(Place { stored, filled, newest_ms: 0 }), ..Partition::default() };
        Ok(Applied::Done)
    }

    async fn apply(&self, partition: u32, write: Write<'_>) -> Result<Applied, StoreError> {
        let mut partition = self.partition(partition)?;
        let Write { log, step, state, ended_ms } = write;
        let Some(place) = partition.place.filter(|place| place.stored.log == log && place.stored.position == step.from) else {
            return Ok(Applied::Refused);
        };
        let stored = Stored { position: step.to, state, ended_ms: ended_ms.unwrap_or(place.stored.ended_ms), ..place.stored };
        let newest_ms = place.newest_ms.max(step.newest_ms.unwrap_or_default());
        partition.place = Some(Place { stored, newest_ms, ..place });
        let oldest_ms = self.shape.oldest_ms(newest_ms);
        partition.take(step, oldest_ms);
        partition.remove(oldest_ms, removed_max(step));
        Ok(Applied::Done)
    }

    async fn search(&self, partition: u32, search: Search<'_>) -> Result<Answered<Shelf>, StoreError> {
        let partition = self.partition(partition)?;
        let Some(place) = partition.place else { return Ok(Answered { place: None, value: Shelf::default() }) };
        Ok(Answered { place: Some(place), value: partition.search(search, self.shape.oldest_ms(place.newest_ms)) })
    }

    async fn heard(&self, partition: u32, hosts: &[&str]) -> Result<Answered<Vec<Option<i64>>>, StoreError> {
        let partition = self.partition(partition)?;
        let oldest_ms = self.shape.oldest_ms(partition.place.map_or(0, |place| place.newest_ms));
        let heard = |host: &&str| partition.hosts.get(*host).copied().filter(|heard_ms| *heard_ms >= oldest_ms);
        Ok(Answered { place: partition.place, value: hosts.iter().map(heard).collect() })
    }
}

impl Partition {
    fn take(&mut self, step: &Step, oldest_ms: i64) {
        for (series, last) in step.values.iter().filter(|(_, last)| last.log_ms >= oldest_ms) {
            let series = match self.values.get_key_value(series.as_str()) {
                Some((_, before)) if !replaces(last, before, oldest_ms) => continue,
                Some((series, before)) => {
                    let series = series.clone();
                    self.times.remove(&(before.log_ms, series.clone()));
                    series
                }
                None => Arc::from(series.as_str()),
            };
            self.times.insert((last.log_ms, series.clone()));
            self.values.insert(series, *last);
        }
        for (host, heard_ms) in step.hosts.iter().filter(|(_, heard_ms)| *heard_ms >= oldest_ms) {
            let host = match self.hosts.get_key_value(host.as_str()) {
                Some((_, before)) if heard_ms <= before => continue,
                Some((host, before)) => {
                    let host = host.clone();
                    self.host_times.remove(&(*before, host.clone()));
                    host
                }
                None => Arc::from(host.as_str()),
            };
            self.host_times.insert((*heard_ms, host.clone()));
            self.hosts.insert(host, *heard_ms);
        }
    }

    /// What is too old.
    fn remove(&mut self, oldest_ms: i64, at_most: usize) {
        for _ in 0..at_most {
            let Some((_, series)) = self.times.first().filter(|(log_ms, _)| *log_ms < oldest_ms) else { break };
            self.values.remove(series);
            self.times.pop_first();
        }
        for _ in 0..at_most {
            let Some((_, host)) = self.host_times.first().filter(|(heard_ms, _)| *heard_ms < oldest_ms) else { break };
            self.hosts.remove(host);
            self.host_times.pop_first();
        }
    }

    fn search(&self, search: Search<'_>, oldest_ms: i64) -> Shelf {
        let (first, behind) = search.filter.range();
        let first = match search.after {
            Some(after) if after >= first.as_str() => Bound::Excluded(after),
            _ => Bound::Included(first.as_str()),
        };
        let mut shelf = Shelf::default();
        let mut looked = 0;
        for (series, last) in self.values.range::<str, _>((first, Bound::Unbounded)).take_while(|(series, _)| ***series < *behind) {
            looked += 1;
            if last.log_ms >= oldest_ms && search.filter.has_tags(series) {
                shelf.found.push((series.to_string(), *last));
            }
            if looked == search.examine {
                shelf.covered = Some(series.to_string());
                break;
            }
        }
        shelf
    }
}

impl Filter {
    /// The texts of all series of the metric: from the first one to the second, which is excluded.
    pub(super) fn range(&self) -> (String, String) {
        // `|` follows `{`
        (format!("{}{{", self.metric), format!("{}|", self.metric))
    }

    /// Each tag as it is found in a series' text once its brackets are commas.
    pub(super) fn needles(&self) -> impl Iterator<Item = String> {
        self.tags.iter().map(|(name, value)| format!(",{name}={value},"))
    }

    fn has_tags(&self, series: &str) -> bool {
        let tags = series.get(self.metric.as_str().len() + 1..series.len() - 1).unwrap_or_default();
        let tags = format!(",{tags},");
        self.needles().all(|needle| tags.contains(&needle))
    }
}
