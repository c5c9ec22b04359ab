//! The last points of one series: enough to see that a point is there already without asking the store.

use std::collections::VecDeque;

use loki_domain::{Instant, Value};

/// At one point every ten seconds these are ten minutes.
pub(super) const POINTS_MAX: usize = 60;

/// Up to 60 points, the newest by their own time. What does not fit any more raises the floor: above it everything that is known is here.
#[derive(Debug, Clone, Default)]
pub(super) struct Ring {
    /// In the order of their instants.
    points: VecDeque<(Instant, Value)>,
    /// The newest instant that had to go.
    dropped: Option<Instant>,
}

impl Ring {
    pub(super) fn get(&self, at: Instant) -> Option<Value> {
        // nearly every point that is asked for is newer than all
        if self.newest().is_none_or(|newest| newest < at) {
            return None;
        }
        self.place(at).ok().map(|index| self.points[index].1)
    }

    pub(super) fn newest(&self) -> Option<Instant> {
        self.points.back().map(|(at, _)| *at)
    }

    /// The newest instant that was here and had to go.
    pub(super) fn dropped(&self) -> Option<Instant> {
        self.dropped
    }

    /// Does nothing when there is a value at that instant.
    pub(super) fn insert(&mut self, at: Instant, value: Value) {
        let Err(index) = self.place(at) else { return };
        self.points.insert(index, (at, value));
        if self.points.len() > POINTS_MAX {
            let oldest = self.points.pop_front().map(|(at, _)| at);
            self.dropped = self.dropped.max(oldest);
        }
    }

    pub(super) fn remove(&mut self, at: Instant) {
        if let Ok(index) = self.place(at) {
            self.points.remove(index);
        }
    }

    /// What it takes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<(Instant, Value)>()
    }

    /// Where it is, or where it belongs.
    fn place(&self, at: Instant) -> Result<usize, usize> {
        if self.newest().is_none_or(|newest| newest < at) {
            return Err(self.points.len());
        }
        self.points.binary_search_by_key(&at, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Instant {
        Instant::new(second).unwrap()
    }

    fn value(number: f64) -> Value {
        Value::new(number).unwrap()
    }

    #[test]
    fn the_oldest_goes_and_is_remembered_as_gone() {
        let mut ring = Ring::default();
        for second in 1..=POINTS_MAX as i64 {
            ring.insert(at(second), value(second as f64));
        }
        assert_eq!((ring.dropped(), ring.get(at(1))), (None, Some(value(1.0))));
        ring.insert(at(100), value(0.0));
        assert_eq!((ring.dropped(), ring.get(at(1)), ring.get(at(2))), (Some(at(1)), None, Some(value(2.0))));
        // older than all that are kept
        ring.insert(at(1), value(9.0));
        assert_eq!((ring.get(at(1)), ring.newest()), (None, Some(at(100))));
    }

    #[test]
    fn the_first_value_of_an_instant_stays() {
        let mut ring = Ring::default();
        ring.insert(at(5), value(1.0));
        ring.insert(at(5), value(2.0));
        assert_eq!(ring.get(at(5)), Some(value(1.0)));
        ring.remove(at(5));
        assert_eq!((ring.get(at(5)), ring.newest()), (None, None));
    }

    proptest! {
        /// Above what was dropped it is a map; below, it never tells another value than the map.
        #[test]
        fn it_is_a_map_above_what_it_dropped(points in prop::collection::vec((1i64..200, 0u8..4), 0..400)) {
            let (mut ring, mut map) = (Ring::default(), BTreeMap::new());
            for (second, number) in points {
                ring.insert(at(second), value(f64::from(number)));
                map.entry(at(second)).or_insert(value(f64::from(number)));
                prop_assert!(ring.points.len() <= POINTS_MAX);
            }
            for second in 1..200 {
                let (found, expected) = (ring.get(at(second)), map.get(&at(second)).copied());
                if ring.dropped().is_none_or(|dropped| dropped < at(second)) {
                    prop_assert_eq!(found, expected);
                } else {
                    prop_assert!(found.is_none());
                }
            }
        }
    }
}
