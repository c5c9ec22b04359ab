//! What is known of the series of one partition, within a bound of memory: the least recently used are forgotten, and looked up again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loki_domain::series::Names;
use loki_domain::{Instant, Series};

use super::open::Opens;
use super::ring::Ring;
use crate::port::Newest;

/// How many series are looked at when room is needed: one point makes room for about one.
const EVICT_STEPS: usize = 32;

/// What is known of one series.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) ring: Ring,
    /// Above this, in milliseconds, whatever the store holds is in `ring` or `open`; `None`: the store has to be asked about every instant.
    floor_ms: Option<i64>,
    /// The newest point that was seen.
    pub(super) newest_ms: Option<i64>,
    /// The store has said how new the series is.
    was_asked: bool,
    /// Instants that are being looked up or written.
    pub(super) open: Opens,
}

impl History {
    /// Whether the store is known to hold at this instant nothing but what is here.
    pub(super) fn is_known(&self, at: Instant) -> bool {
        let dropped = self.ring.dropped().is_none_or(|dropped| dropped < at);
        dropped && self.floor_ms.is_some_and(|floor_ms| floor_ms < at.ms())
    }

    /// From now on what lies above this is known.
    pub(super) fn set_floor(&mut self, floor_ms: i64) {
        self.floor_ms = Some(floor_ms);
    }

    /// Whether the store may hold a point after this that was not seen: not above the floor, nor after the store was asked.
    pub(super) fn may_be_newer_than(&self, ms: i64) -> bool {
        !self.was_asked && self.newest_ms.is_none_or(|newest_ms| newest_ms <= ms) && self.floor_ms.is_none_or(|floor_ms| ms < floor_ms)
    }

    /// How new the series is, by the store.
    pub(super) fn learn(&mut self, newest: Newest) {
        self.was_asked = true;
        let floor_ms = match newest {
            Newest::Never => i64::MIN,
            Newest::At(at) | Newest::NotAfter(at) => at.ms(),
        };
        self.floor_ms = self.floor_ms.or(Some(floor_ms));
        if let Newest::At(at) = newest {
            self.saw(at);
        }
    }

    /// What it takes on the heap.
    fn bytes(&self) -> usize {
        self.ring.bytes() + self.open.bytes()
    }

    pub(super) fn saw(&mut self, at: Instant) {
        self.newest_ms = self.newest_ms.max(Some(at.ms()));
    }
}

/// The memory that the partitions of a process share, alike.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    bytes: usize,
    holders: Arc<AtomicUsize>,
}

impl Allowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, holders: Arc::default() }
    }

    fn part(&self) -> usize {
        self.bytes / self.holders.load(Ordering::Relaxed).max(1)
    }
}

/// Where a series' history lies; for as long as it has unfinished instants it stays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Place(usize);

/// The histories of one partition's series.
#[derive(Debug)]
pub(super) struct Histories {
    allowance: Allowance,
    index: HashMap<Series, usize, foldhash::fast::RandomState>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The ends of the list by use.
    ends: Ends,
    bytes: usize,
    /// Since it was asked last, and whether ever.
    evicted: u64,
    has_evicted: bool,
}

#[derive(Debug)]
struct Slot {
    series: Series,
    history: History,
    /// What it takes by itself, and now with its history.
    bare: usize,
    bytes: usize,
    newer: Option<usize>,
    older: Option<usize>,
}

#[derive(Debug, Default)]
struct Ends {
    newest: Option<usize>,
    oldest: Option<usize>,
}

impl Histories {
    pub(super) fn new(allowance: Allowance) -> Self {
        allowance.holders.fetch_add(1, Ordering::Relaxed);
        Self {
            allowance,
            index: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            ends: Ends::default(),
            bytes: 0,
            evicted: 0,
            has_evicted: false,
        }
    }

    pub(super) fn find(&self, series: &Series) -> Option<Place> {
        self.index.get(series).map(|id| Place(*id))
    }

    /// Works on a series' history, which is made when there is none, and forgets others for it when there is no room.
    pub(super) fn with<T>(&mut self, series: &Series, work: impl FnOnce(&mut History) -> T) -> T {
        let place = self.find(series).unwrap_or_else(|| self.add(series));
        self.at(place, work)
    }

    /// The same for one that was found.
    pub(super) fn at<T>(&mut self, Place(id): Place, work: impl FnOnce(&mut History) -> T) -> T {
        self.detach(id);
        self.attach(id);
        let slot = &mut self.slots[id];
        let result = work(&mut slot.history);
        let bytes = slot.bare + slot.history.bytes();
        self.bytes = self.bytes + bytes - std::mem::replace(&mut slot.bytes, bytes);
        self.evict();
        result
    }

    /// The one that was worked on last, which is never forgotten for its own sake.
    pub(super) fn last(&self) -> Place {
        Place(self.ends.newest.unwrap_or_default())
    }

    /// How many were forgotten since this was asked last.
    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Whether a series that is not here may have been.
    pub(super) fn has_evicted(&self) -> bool {
        self.has_evicted
    }

    /// An empty one, of a series that has none.
    pub(super) fn add(&mut self, series: &Series) -> Place {
        let slot = Slot { bare: cost(series), series: series.clone(), history: History::default(), bytes: 0, newer: None, older: None };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.index.insert(series.clone(), id);
        Place(id)
    }

    /// Unfinished instants are never forgotten; there are few of them, and they are bounded elsewhere.
    fn evict(&mut self) {
        let limit = self.allowance.part();
        let mut candidate = self.ends.oldest;
        for _ in 0..EVICT_STEPS {
            let Some(id) = candidate.filter(|_| self.bytes > limit) else { return };
            candidate = self.slots[id].newer;
            // the newest is the one that is being used
            if candidate.is_none() || !self.slots[id].history.open.is_empty() {
                continue;
            }
            self.detach(id);
            self.bytes -= self.slots[id].bytes;
            let series = self.slots[id].series.clone();
            self.index.remove(&series);
            self.slots[id].history = History::default();
            self.slots[id].bytes = 0;
            self.free.push(id);
            self.evicted += 1;
            self.has_evicted = true;
        }
    }

    fn detach(&mut self, id: usize) {
        let (newer, older) = (self.slots[id].newer.take(), self.slots[id].older.take());
        match newer {
            Some(newer) => self.slots[newer].older = older,
            None if self.ends.newest == Some(id) => self.ends.newest = older,
            None => {}
        }
        match older {
            Some(older) => self.slots[older].newer = newer,
            None if self.ends.oldest == Some(id) => self.ends.oldest = newer,
            None => {}
        }
    }

    fn attach(&mut self, id: usize) {
        self.slots[id].older = self.ends.newest;
        if let Some(newest) = self.ends.newest.replace(id) {
            self.slots[newest].newer = Some(id);
        }
        self.ends.oldest = self.ends.oldest.or(Some(id));
    }
}

impl Drop for Histories {
    fn drop(&mut self) {
        self.allowance.holders.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a series takes without its points. Names of up to 23 letters lie in place.
fn cost(series: &Series) -> usize {
    const NAME_IN_PLACE: usize = 23;
    const ENTRY: usize = size_of::<Slot>() + size_of::<(Series, usize)>() + 32;
    // with the two counts of those who share them
    const NAMES: usize = size_of::<Names>() + 2 * size_of::<usize>();
    let heap = |name: &str| if name.len() > NAME_IN_PLACE { name.len() + 16 } else { 0 };
    let tags: usize = series.tags.iter().map(|(name, value)| 48 + heap(name) + heap(value)).sum();
    ENTRY + NAMES + heap(series.metric.as_str()) + tags
}

#[cfg(test)]
mod tests {
    use loki_domain::{Tags, Value};
    use proptest::prelude::*;

    use super::super::open::Open;
    use super::*;

    fn series(number: usize) -> Series {
        Series::new("m".parse().unwrap(), Tags::new([("host", format!("web{number}").as_str())]).unwrap())
    }

    fn at(second: i64) -> Instant {
        Instant::new(second).unwrap()
    }

    fn touch(histories: &mut Histories, number: usize) {
        histories.with(&series(number), |history| history.saw(at(1)));
    }

    /// The bytes of one series as `touch` leaves it.
    fn one() -> usize {
        let mut histories = Histories::new(Allowance::new(1 << 20));
        touch(&mut histories, 0);
        histories.bytes
    }

    #[test]
    fn the_least_recently_used_are_forgotten() {
        let mut histories = Histories::new(Allowance::new(3 * one()));
        for number in [0, 1, 2, 0, 3] {
            touch(&mut histories, number);
        }
        assert_eq!([0, 1, 2, 3].map(|number| histories.find(&series(number)).is_some()), [true, false, true, true]);
        assert_eq!((histories.take_evicted(), histories.take_evicted()), (1, 0));
    }

    #[test]
    fn unfinished_instants_are_kept() {
        let mut histories = Histories::new(Allowance::new(one()));
        histories.with(&series(0), |history| {
            history.open.insert(at(1), Open::Put(Value::new(1.0).unwrap()));
        });
        touch(&mut histories, 1);
        touch(&mut histories, 2);
        assert_eq!([0, 1, 2].map(|number| histories.find(&series(number)).is_some()), [true, false, true]);
        histories.with(&series(0), |history| history.open.remove(at(1)));
        assert!(histories.bytes <= 2 * one());
    }

    #[test]
    fn partitions_share_the_memory() {
        let allowance = Allowance::new(100);
        let (first, second) = (Histories::new(allowance.clone()), Histories::new(allowance.clone()));
        assert_eq!(allowance.part(), 50);
        drop((first, second));
        assert_eq!(allowance.part(), 100);
    }

    proptest! {
        #[test]
        fn it_is_a_list_by_use(uses in prop::collection::vec(0usize..12, 1..200), room in 1usize..8) {
            let mut histories = Histories::new(Allowance::new(room * one() + one() / 2));
            // of equal cost: names of one and two digits are in place
            let mut expected: Vec<usize> = Vec::new();
            for number in uses {
                touch(&mut histories, number);
                expected.retain(|used| *used != number);
                expected.push(number);
                if expected.len() > room {
                    expected.remove(0);
                }
                for number in 0..12 {
                    prop_assert_eq!(histories.find(&series(number)).is_some(), expected.contains(&number));
                }
                prop_assert_eq!(histories.bytes, expected.len() * one());
            }
        }
    }
}
