//! The unfinished instants of one series. There are few, nearly always begun at the end and finished at the front: a list in their order, which is
//! given back when it is empty, costs less than a tree.

use std::collections::VecDeque;

use loki_domain::{Instant, Value};

use super::Ticket;

/// An instant with an unfinished point.
#[derive(Debug)]
pub(super) enum Open {
    /// On its way to the store.
    Put(Value),
    /// Being looked up: the point with the lowest offset, and those that came meanwhile.
    Look { ticket: Ticket, value: Value, waiting: Vec<(Ticket, Value)> },
}

#[derive(Debug, Default)]
pub(super) struct Opens {
    instants: VecDeque<(Instant, Open)>,
}

impl Opens {
    pub(super) fn get_mut(&mut self, at: Instant) -> Option<&mut Open> {
        self.place(at).ok().map(|index| &mut self.instants[index].1)
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.instants.front().map(|(at, _)| *at)
    }

    /// Replaces what is there.
    pub(super) fn insert(&mut self, at: Instant, open: Open) {
        match self.place(at) {
            Ok(index) => self.instants[index].1 = open,
            Err(index) => self.instants.insert(index, (at, open)),
        }
    }

    pub(super) fn remove(&mut self, at: Instant) -> Option<Open> {
        let (_, open) = self.instants.remove(self.place(at).ok()?)?;
        if self.instants.is_empty() {
            self.instants = VecDeque::new();
        }
        Some(open)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.instants.is_empty()
    }

    /// What it takes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.instants.capacity() * size_of::<(Instant, Open)>()
    }

    /// Where it is, or where it belongs.
    fn place(&self, at: Instant) -> Result<usize, usize> {
        if self.instants.back().is_none_or(|(newest, _)| *newest < at) {
            return Err(self.instants.len());
        }
        self.instants.binary_search_by_key(&at, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((1i64..12, 0u8..3, 0u8..4), 0..100)) {
            let (mut opens, mut map) = (Opens::default(), BTreeMap::new());
            for (second, step, number) in steps {
                let (at, value) = (Instant::new(second).unwrap(), Value::new(f64::from(number)).unwrap());
                let told = |open: &Open| matches!(open, Open::Put(of) if *of == value);
                match step {
                    0 => {
                        opens.insert(at, Open::Put(value));
                        map.insert(at, value);
                    }
                    1 => prop_assert_eq!(opens.remove(at).is_some(), map.remove(&at).is_some()),
                    _ => prop_assert_eq!(opens.get_mut(at).map(|open| told(open)), map.get(&at).map(|of| *of == value)),
                }
                prop_assert_eq!((opens.oldest(), opens.is_empty()), (map.keys().next().copied(), map.is_empty()));
                prop_assert_eq!(opens.bytes() == 0, map.is_empty());
            }
        }
    }
}
