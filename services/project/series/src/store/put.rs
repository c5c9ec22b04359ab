//! Writing points: one value in the journal per call, however many series it has.

use std::collections::HashMap;
use std::sync::PoisonError;

use loki_domain::{Sample, Series};

use super::codec::Point;
use super::disk::Id;
use super::{Store, Writer, fresh, lock};
use crate::Error;

impl Store {
    /// All of it is durable when this returns, or none of it is written. A sample of an instant that has a value replaces it; of one instant
    /// twice in the call, the last is taken. Now and then a call also merges what calls before it brought, which takes about a second.
    pub fn put(&self, samples: &[Sample]) -> Result<(), Error> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut writer = lock(&self.inner.writer);
        let (points, new) = self.number(samples, &writer)?;
        let points = each_instant_once(points);
        let mut batch = self.inner.disk.durable();
        for (series, id) in &new {
            batch.insert(&self.inner.disk.series, id.to_be_bytes(), series.to_string().into_bytes());
        }
        batch.insert(&self.inner.disk.fresh, writer.next_fresh.to_be_bytes(), fresh::encode(&points));
        batch.commit()?;
        writer.next_fresh += 1;
        writer.next_id += new.len() as Id;
        let grown = self.show(&points, new);
        drop(writer);
        if grown >= self.inner.options.fresh_points_max {
            self.merge()?;
        }
        Ok(())
    }

    /// The samples as points of numbered series, and the series that get their number now.
    #[expect(clippy::type_complexity, reason = "two lists for one caller")]
    fn number<'s>(&self, samples: &'s [Sample], writer: &Writer) -> Result<(Vec<(Id, Point)>, Vec<(&'s Series, Id)>), Error> {
        let dictionary = self.dictionary();
        let mut new: HashMap<&Series, Id> = HashMap::new();
        let mut points = Vec::with_capacity(samples.len());
        let mut before: Option<(&Series, Id)> = None;
        for sample in samples {
            let id = match before.filter(|(series, _)| **series == sample.series) {
                Some((_, id)) => id,
                None => match dictionary.find(&sample.series) {
                    Some(entry) => entry.id,
                    None => {
                        let next = writer.next_id.checked_add(new.len() as Id);
                        let next = next.ok_or(Error::TooManySeries { series_max: Id::MAX as usize })?;
                        *new.entry(&sample.series).or_insert(next)
                    }
                },
            };
            before = Some((&sample.series, id));
            points.push((id, (sample.at.ms(), sample.value.get())));
        }
        let series_max = self.inner.options.series_max;
        if !new.is_empty() && dictionary.len() + new.len() > series_max {
            return Err(Error::TooManySeries { series_max });
        }
        let mut new: Vec<(&Series, Id)> = new.into_iter().collect();
        new.sort_unstable_by_key(|(_, id)| *id);
        Ok((points, new))
    }

    /// Lets questions see what is durable now. Returns how many points wait to become chunks.
    fn show(&self, points: &[(Id, Point)], new: Vec<(&Series, Id)>) -> usize {
        if !new.is_empty() {
            let mut dictionary = self.inner.dictionary.write().unwrap_or_else(PoisonError::into_inner);
            for (series, id) in new {
                dictionary.add(id, series.clone(), false);
            }
        }
        let dictionary = self.dictionary();
        let mut heads = lock(&self.inner.heads);
        for run in points.chunk_by(|one, other| one.0 == other.0) {
            for (id, point) in run {
                heads.open.push(*id, *point);
            }
            if let (Some(entry), Some((_, (at, _)))) = (dictionary.entry(run[0].0), run.last()) {
                entry.raise_newest(*at);
            }
        }
        heads.open.len()
    }
}

/// By series and time; of one instant the value that came last.
fn each_instant_once(mut points: Vec<(Id, Point)>) -> Vec<(Id, Point)> {
    points.sort_by_key(|(id, (at, _))| (*id, *at));
    points.dedup_by(|later, kept| {
        let same = (later.0, later.1.0) == (kept.0, kept.1.0);
        if same {
            kept.1 = later.1;
        }
        same
    });
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_instant_the_last_value_is_taken() {
        let points = vec![(2, (5, 1.0)), (1, (5, 2.0)), (2, (4, 3.0)), (2, (5, 4.0)), (2, (5, 5.0))];
        assert_eq!(each_instant_once(points), [(1, (5, 2.0)), (2, (4, 3.0)), (2, (5, 5.0))]);
    }
}
