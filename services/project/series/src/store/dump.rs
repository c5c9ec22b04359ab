//! All points in order, for comparing a store with its source.

use std::sync::Arc;
use std::vec;

use loki_domain::Series;
use loki_domain::sample::{Instant, Value};

use super::disk::WINDOW_MS;
use super::read::{instant, stored};
use super::{Entry, Store};
use crate::Error;

/// The time that one part spans: a day of 10 s points is 8,640.
const PART_MS: i64 = 12 * WINDOW_MS;

/// Parts in the order of the series' names and of time; a part is of one series and one day. What is put meanwhile may be there or not.
pub struct Dump {
    store: Store,
    left: vec::IntoIter<Arc<Entry>>,
    current: Option<(Arc<Entry>, i64)>,
    from: i64,
    to: i64,
}

impl Store {
    /// The points from `from` up to and with `to`.
    pub fn dump(&self, from: Instant, to: Instant) -> Dump {
        let mut entries: Vec<Arc<Entry>> = self.dictionary().entries().cloned().collect();
        entries.sort_unstable_by(|one, other| one.series.cmp(&other.series));
        Dump { store: self.clone(), left: entries.into_iter(), current: None, from: from.ms(), to: to.ms() }
    }
}

/// A series and its points in order.
type Part = (Series, Vec<(Instant, Value)>);

impl Dump {
    fn part(&mut self) -> Result<Option<Part>, Error> {
        loop {
            let Some((entry, from)) = self.current.take().or_else(|| self.left.next().map(|entry| (entry, self.from))) else {
                return Ok(None);
            };
            let Some(start) = self.store.next_from(entry.id, from)?.filter(|start| *start <= self.to) else { continue };
            let end = start.saturating_add(PART_MS - 1).min(self.to);
            let points = self.store.points(entry.id, start, end, usize::MAX)?.unwrap_or_default();
            let series = entry.series.clone();
            self.current = Some((entry, end + 1));
            if !points.is_empty() {
                let points = points.into_iter().map(|(at, value)| Ok((instant(at)?, stored(value)?)));
                return Ok(Some((series, points.collect::<Result<_, Error>>()?)));
            }
        }
    }
}

impl Iterator for Dump {
    type Item = Result<Part, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.part().transpose();
        if let Some(Err(_)) = part {
            (self.left, self.current) = (Vec::new().into_iter(), None);
        }
        part
    }
}
