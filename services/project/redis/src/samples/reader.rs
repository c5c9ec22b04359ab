//! The reader over all partitions: one answer out of many, or none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::try_join_all;
use loki_domain::{LogId, Series, Tags};
use loki_runner::{State, StoreError, Stored};

use super::lines::Last;
use super::port::{Answered, EXAMINED_MAX, Filter, HOSTS_MAX, NotReady, Page, Place, Refusal, SamplesReader, SamplesStore, Search, Shelf};

/// Cheap to clone; all clones remember the same.
#[derive(Debug, Clone)]
pub struct Reader {
    store: Arc<dyn SamplesStore>,
    known: Arc<Mutex<HashMap<u32, Known>>>,
}

/// What is known of a partition.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// What it was last answered from.
    seen: Option<Seen>,
    /// Somebody who knows says that it was so far.
    floor: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    log: LogId,
    filled: u64,
    position: u64,
}

impl Reader {
    pub fn new(store: Arc<dyn SamplesStore>) -> Self {
        Self { store, known: Arc::default() }
    }

    /// Says how far a partition has been, as its group's offset tells: an older copy is then not read, by a process either that has not read it before.
    /// A lower one counts as well, because the log itself may have been set back.
    pub fn require(&self, partition: u32, floor: Option<u64>) {
        self.known().entry(partition).or_default().floor = floor;
    }

    /// How many partitions it reads.
    pub fn partitions(&self) -> u32 {
        self.store.shape().partitions
    }

    /// The answers of all partitions, in their order, when all of them may be read.
    async fn all<T, F>(&self, ask: impl Fn(u32) -> F) -> Result<Vec<T>, NotReady>
    where
        F: Future<Output = Result<Answered<T>, StoreError>>,
    {
        // answers may overtake each other: what counts is what was known when it was asked
        let known = self.known().clone();
        let answers = try_join_all((0..self.partitions()).map(ask)).await.map_err(away)?;
        let judged = answers.into_iter().zip(0..self.partitions()).map(|(answer, partition)| {
            self.judge(partition, known.get(&partition).copied().unwrap_or_default(), answer.place)?;
            Ok(answer.value)
        });
        judged.collect()
    }

    /// Whether a partition may be read as it is. One that was filled again may be further back than before, because its log was set back; one
    /// that was not is an older copy of itself.
    fn judge(&self, partition: u32, known: Known, place: Option<Place>) -> Result<(), NotReady> {
        let not = |why: String| Err(NotReady(format!("partition {partition} {why}")));
        let Some(Place { stored, filled, .. }) = place else { return not("is empty and waits to be filled".to_owned()) };
        if stored.state == State::Building {
            return not(format!("is being filled and is at {}", stored.position));
        }
        let now = Seen { log: stored.log, filled, position: stored.position };
        if let Some(floor) = known.floor.filter(|floor| stored.position < *floor) {
            return not(format!("is at {}, below {floor} where it has been", stored.position));
        }
        if known.seen.is_some_and(|seen| seen.is_newer(now)) {
            return not(format!("is at {}, which is older than what was answered before", stored.position));
        }
        let mut known = self.known();
        let seen = &mut known.entry(partition).or_default().seen;
        if !seen.is_some_and(|seen| seen.is_newer(now)) {
            *seen = Some(now);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn is_newer(&self, other: Self) -> bool {
        self.log == other.log && self.filled >= other.filled && self.position > other.position
    }
}

#[async_trait]
impl SamplesReader for Reader {
    async fn status(&self) -> Result<Vec<Option<Stored>>, NotReady> {
        let places = try_join_all((0..self.partitions()).map(|partition| self.store.place(partition))).await.map_err(away)?;
        Ok(places.into_iter().map(|place| place.map(|place| place.stored)).collect())
    }

    async fn last(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Result<Page, Refusal> {
        let limit = limit.clamp(1, EXAMINED_MAX);
        let search = Search { filter, after, examine: EXAMINED_MAX };
        page(self.all(|partition| self.store.search(partition, search)).await?, limit)
    }

    async fn presence(&self, hosts: &[&str]) -> Result<Vec<Option<i64>>, Refusal> {
        if hosts.len() > HOSTS_MAX {
            return Err(Refusal::TooMany(hosts.len()));
        }
        // a host's series lie in several partitions
        let heard = self.all(|partition| self.store.heard(partition, hosts)).await?;
        Ok((0..hosts.len()).map(|host| heard.iter().filter_map(|heard| heard.get(host).copied().flatten()).max()).collect())
    }
}

/// One page of what the partitions hold, in the order of the series' texts: as far as all of them have looked.
fn page(shelves: Vec<Shelf>, limit: usize) -> Result<Page, Refusal> {
    let covered = shelves.iter().filter_map(|shelf| shelf.covered.clone()).min();
    let mut found: Vec<(String, Last)> = shelves.into_iter().flat_map(|shelf| shelf.found).collect();
    if let Some(covered) = &covered {
        found.retain(|(series, _)| series <= covered);
    }
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let next = match found.len() > limit {
        true => {
            found.truncate(limit);
            found.last().map(|(series, _)| series.clone())
        }
        false => covered,
    };
    let values = found.into_iter().map(|(text, last)| Ok((series(&text)?, last)));
    Ok(Page { values: values.collect::<Result<_, NotReady>>()?, next })
}

/// Reads `metric{name=value,…}`: none of these signs may be in a name.
fn series(text: &str) -> Result<Series, NotReady> {
    let read = || {
        let (metric, tags) = text.strip_suffix('}')?.split_once('{')?;
        let tags: Option<Vec<_>> = tags.split(',').map(|tag| tag.split_once('=')).collect();
        Some(Series::new(metric.parse().ok()?, Tags::new(tags?).ok()?))
    };
    read().ok_or_else(|| NotReady(format!("`{}` is no series: others write where the live state lies", text.escape_default())))
}

fn away(error: StoreError) -> NotReady {
    NotReady(error.to_string())
}
