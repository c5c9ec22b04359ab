//! How far a partition is: nothing below the lowest record that still has an unfinished point may be forgotten.

use std::collections::VecDeque;

/// The records that were begun and are not finished, with what is kept of each until then.
#[derive(Debug)]
pub(super) struct Progress<T> {
    /// In the order of their offsets. Finished ones stay until all before them are.
    records: VecDeque<Entry<T>>,
    /// The next offset to be read.
    position: u64,
}

#[derive(Debug)]
struct Entry<T> {
    offset: u64,
    points: u32,
    /// Gone as soon as the record is finished.
    kept: Option<T>,
}

impl<T> Progress<T> {
    pub(super) fn new(position: u64) -> Self {
        Self { records: VecDeque::new(), position }
    }

    /// A record with so many unfinished points, behind all that were begun before.
    pub(super) fn begin(&mut self, offset: u64, points: u32, kept: T) {
        debug_assert!(self.records.back().is_none_or(|last| last.offset < offset), "records are begun in the order of their offsets");
        self.position = offset + 1;
        if points > 0 {
            self.records.push_back(Entry { offset, points, kept: Some(kept) });
        }
    }

    /// Everything before this position was begun.
    pub(super) fn read_to(&mut self, position: u64) {
        self.position = self.position.max(position);
    }

    /// One more point of that record is finished.
    pub(super) fn finish(&mut self, offset: u64) {
        let Ok(index) = self.records.binary_search_by_key(&offset, |entry| entry.offset) else { return };
        let entry = &mut self.records[index];
        entry.points = entry.points.saturating_sub(1);
        if entry.points == 0 {
            entry.kept = None;
        }
        while self.records.front().is_some_and(|entry| entry.points == 0) {
            self.records.pop_front();
        }
    }

    /// What is kept of an unfinished record.
    pub(super) fn kept(&mut self, offset: u64) -> Option<&mut T> {
        let index = self.records.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.records[index].kept.as_mut()
    }

    /// Everything below this is finished.
    pub(super) fn done(&self) -> u64 {
        self.records.front().map_or(self.position, |entry| entry.offset)
    }

    /// Records from the lowest unfinished one on.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_unfinished_record_holds_the_rest_back() {
        let mut progress = Progress::new(10);
        assert_eq!(progress.done(), 10);
        progress.begin(10, 2, "a");
        progress.begin(14, 1, "b");
        progress.begin(15, 0, "c");
        progress.read_to(20);
        progress.finish(14);
        assert_eq!((progress.done(), progress.kept(14)), (10, None));
        assert_eq!(progress.kept(10), Some(&mut "a"));
        progress.finish(10);
        assert_eq!(progress.done(), 10);
        progress.finish(10);
        assert_eq!((progress.done(), progress.is_idle()), (20, true));
    }

    proptest! {
        #[test]
        fn it_is_the_first_offset_with_points_left(
            sizes in prop::collection::vec((0u32..4, 1u64..4), 1..30),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        ) {
            let (mut progress, mut left, mut offset) = (Progress::new(0), BTreeMap::new(), 0);
            for (points, gap) in sizes {
                progress.begin(offset, points, ());
                left.insert(offset, points);
                offset += gap;
            }
            progress.read_to(offset);
            for index in order {
                let unfinished: Vec<u64> = left.iter().filter(|(_, points)| **points > 0).map(|(offset, _)| *offset).collect();
                prop_assert_eq!(progress.done(), unfinished.first().copied().unwrap_or(offset));
                if unfinished.is_empty() {
                    break;
                }
                let one = *index.get(&unfinished);
                prop_assert!(progress.kept(one).is_some());
                progress.finish(one);
                *left.get_mut(&one).unwrap() -= 1;
            }
        }
    }
}
