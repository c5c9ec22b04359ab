//! The newest points, in memory until they become chunks.
//!
//! Points come nearly in order, so a series' points are a list that is sorted only when a late one came and somebody reads.

use std::collections::HashMap;

use super::codec::Point;
use super::disk::Id;

#[derive(Default)]
pub(super) struct Head {
    runs: HashMap<Id, Run, foldhash::fast::FixedState>,
    points: usize,
}

#[derive(Default, Clone)]
struct Run {
    points: Vec<Point>,
    unsorted: bool,
}

impl Head {
    pub(super) fn push(&mut self, id: Id, point: Point) {
        let run = self.runs.entry(id).or_default();
        match run.points.last_mut() {
            Some(last) if last.0 == point.0 => {
                last.1 = point.1;
                return;
            }
            Some(last) if last.0 > point.0 => run.unsorted = true,
            _ => {}
        }
        run.points.push(point);
        self.points += 1;
    }

    /// Points that are held; some may be older values of the same instant.
    pub(super) fn len(&self) -> usize {
        self.points
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points == 0
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.runs.contains_key(&id)
    }

    /// All points of all series in order, each instant once; from then on the head is only read.
    pub(super) fn sort(&mut self) {
        for run in self.runs.values_mut() {
            run.sort();
        }
    }

    /// The series that are there, in the order of their numbers.
    pub(super) fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.runs.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// A series' points in order, of a head that was sorted.
    pub(super) fn sorted(&self, id: Id) -> &[Point] {
        self.runs.get(&id).map_or(&[], |run| &run.points)
    }

    /// A series' points in order.
    pub(super) fn points(&mut self, id: Id) -> &[Point] {
        match self.runs.get_mut(&id) {
            None => &[],
            Some(run) => {
                run.sort();
                &run.points
            }
        }
    }
}

impl Run {
    fn sort(&mut self) {
        if !self.unsorted {
            return;
        }
        // stable: of one instant the value that came last is the last
        self.points.sort_by_key(|(at, _)| *at);
        self.points.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        self.unsorted = false;
    }
}

/// The points from `from` up to and with `to`.
pub(super) fn within(points: &[Point], from: i64, to: i64) -> &[Point] {
    let start = points.partition_point(|(at, _)| *at < from);
    let end = points.partition_point(|(at, _)| *at <= to);
    &points[start..end.max(start)]
}

/// Both lists as one in order; of one instant the second list's value is taken.
pub(super) fn overlay(mut older: Vec<Point>, newer: &[Point]) -> Vec<Point> {
    let Some(first) = newer.first() else { return older };
    if older.last().is_none_or(|last| last.0 < first.0) {
        older.extend_from_slice(newer);
        return older;
    }
    let mut both = Vec::with_capacity(older.len() + newer.len());
    let mut rest = older.iter().peekable();
    for point in newer {
        while let Some(old) = rest.next_if(|old| old.0 < point.0) {
            both.push(*old);
        }
        rest.next_if(|old| old.0 == point.0);
        both.push(*point);
    }
    both.extend(rest);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_points_find_their_place_and_the_last_value_stays() {
        let mut head = Head::default();
        for (at, value) in [(10, 1.0), (30, 3.0), (20, 2.0), (30, 4.0), (30, 5.0), (10, 6.0)] {
            head.push(7, (at, value));
        }
        assert_eq!(head.points(7), [(10, 6.0), (20, 2.0), (30, 5.0)]);
        assert_eq!(within(head.points(7), 11, 30), [(20, 2.0), (30, 5.0)]);
        assert!(within(head.points(7), 31, 29).is_empty());
        assert!(head.points(8).is_empty() && !head.has(8));
    }

    #[test]
    fn the_newer_list_wins() {
        let older = vec![(1, 1.0), (3, 3.0), (5, 5.0)];
        assert_eq!(overlay(older.clone(), &[(0, 0.0), (3, 9.0), (4, 4.0)]), [(0, 0.0), (1, 1.0), (3, 9.0), (4, 4.0), (5, 5.0)]);
        assert_eq!(overlay(older.clone(), &[(6, 6.0)]), [(1, 1.0), (3, 3.0), (5, 5.0), (6, 6.0)]);
        assert_eq!(overlay(older.clone(), &[]), older);
        assert_eq!(overlay(Vec::new(), &older), older);
    }
}
