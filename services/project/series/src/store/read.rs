//! Reading points: of one series in a time, at one instant, and the newest.

use std::sync::Arc;

use loki_domain::Series;
use loki_domain::sample::{Instant, Value};

use super::codec::Point;
use super::disk::{Id, chunk_key, read_chunk_key, window};
use super::merge::read_chunk;
use super::{Entry, Store, head, lock};
use crate::Error;

impl Store {
    /// The values stored at exactly these instants. An instant that is newer than all of its series, as most that are put, costs no reading.
    pub fn find(&self, wanted: &[(Series, Instant)]) -> Result<Vec<Option<Value>>, Error> {
        let mut found = vec![None; wanted.len()];
        let mut searched = Vec::new();
        for (index, (entry, (_, at))) in self.entries_of(wanted.iter().map(|(series, _)| series)).into_iter().zip(wanted).enumerate() {
            let Some(entry) = entry else { continue };
            if self.newest_of(&entry)?.is_some_and(|newest| newest >= at.ms()) {
                searched.push((entry.id, at.ms(), index));
            }
        }
        searched.sort_unstable();
        let on_disk = self.find_in_memory(searched, &mut found);
        let mut chunk: Option<((Id, u32), Vec<Point>)> = None;
        for (id, at, index) in on_disk {
            let key = (id, window(at));
            if chunk.as_ref().is_none_or(|(held, _)| *held != key) {
                chunk = Some((key, self.chunk(key.0, key.1)?));
            }
            found[index] = chunk.as_ref().and_then(|(_, points)| value_at(points, at));
        }
        found.into_iter().map(|value| value.map(stored).transpose()).collect()
    }

    /// The newest instant of each series.
    pub fn newest(&self, series: &[Series]) -> Result<Vec<Option<Instant>>, Error> {
        let mut newest = Vec::with_capacity(series.len());
        for entry in self.entries_of(series) {
            let at = entry.map(|entry| self.newest_of(&entry)).transpose()?.flatten();
            newest.push(at.map(instant).transpose()?);
        }
        Ok(newest)
    }

    /// A series' points from `from` up to and with `to`, in order; nothing when there are more than `most`.
    pub(crate) fn points(&self, id: Id, from: i64, to: i64, most: usize) -> Result<Option<Vec<Point>>, Error> {
        if to < from {
            return Ok(Some(Vec::new()));
        }
        let (open, frozen) = {
            let mut heads = lock(&self.inner.heads);
            (head::within(heads.open.points(id), from, to).to_vec(), heads.frozen.clone())
        };
        let mut points = Vec::new();
        for entry in self.inner.disk.chunks.range(chunk_key(id, window(from))..=chunk_key(id, window(to))) {
            let chunk = read_chunk(&entry.value()?)?;
            points.extend_from_slice(head::within(&chunk, from, to));
            if points.len() > most {
                return Ok(None);
            }
        }
        if let Some(frozen) = frozen {
            points = head::overlay(points, head::within(frozen.head.sorted(id), from, to));
        }
        points = head::overlay(points, &open);
        Ok(Some(points).filter(|points| points.len() <= most))
    }

    fn entries_of<'s>(&self, series: impl IntoIterator<Item = &'s Series>) -> Vec<Option<Arc<Entry>>> {
        let dictionary = self.dictionary();
        series.into_iter().map(|series| dictionary.find(series).cloned()).collect()
    }

    /// Answers what memory knows; returns the rest.
    fn find_in_memory(&self, mut wanted: Vec<(Id, i64, usize)>, found: &mut [Option<f64>]) -> Vec<(Id, i64, usize)> {
        let mut heads = lock(&self.inner.heads);
        wanted.retain(|(id, at, index)| {
            found[*index] = value_at(heads.open.points(*id), *at);
            if found[*index].is_none() {
                found[*index] = heads.frozen.as_ref().and_then(|frozen| value_at(frozen.head.sorted(*id), *at));
            }
            found[*index].is_none()
        });
        wanted
    }

    fn newest_of(&self, entry: &Entry) -> Result<Option<i64>, Error> {
        if let Some(newest) = entry.newest() {
            return Ok(newest);
        }
        // no put in between, which would leave what is unknown as it is and then be forgotten
        let _writer = lock(&self.inner.writer);
        let in_memory = {
            let mut heads = lock(&self.inner.heads);
            let open = heads.open.points(entry.id).last().map(|(at, _)| *at);
            open.max(heads.frozen.as_ref().and_then(|frozen| frozen.head.sorted(entry.id).last().map(|(at, _)| *at)))
        };
        let mut newest = in_memory;
        if let Some(last) = self.inner.disk.chunks.range(chunk_key(entry.id, 0)..=chunk_key(entry.id, u32::MAX)).next_back() {
            newest = newest.max(read_chunk(&last.value()?)?.last().map(|(at, _)| *at));
        }
        entry.set_newest(newest);
        Ok(newest)
    }

    /// The first instant of a series from `from` on, or one shortly before it with nothing in between.
    pub(super) fn next_from(&self, id: Id, from: i64) -> Result<Option<i64>, Error> {
        let in_memory = {
            let mut heads = lock(&self.inner.heads);
            let open = head::within(heads.open.points(id), from, i64::MAX).first().map(|(at, _)| *at);
            let frozen = heads.frozen.as_ref().and_then(|frozen| head::within(frozen.head.sorted(id), from, i64::MAX).first().copied());
            open.into_iter().chain(frozen.map(|(at, _)| at)).min()
        };
        let on_disk = match self.inner.disk.chunks.range(chunk_key(id, window(from))..=chunk_key(id, u32::MAX)).next() {
            Some(entry) => Some(super::disk::window_start(read_chunk_key(&entry.key()?)?.1).max(from)),
            None => None,
        };
        Ok(in_memory.into_iter().chain(on_disk).min())
    }
}

fn value_at(points: &[Point], at: i64) -> Option<f64> {
    points.binary_search_by_key(&at, |(at, _)| *at).ok().map(|index| points[index].1)
}

pub(super) fn stored(value: f64) -> Result<Value, Error> {
    Value::new(value).map_err(|error| Error::unreadable(format!("a value: {error}")))
}

pub(super) fn instant(ms: i64) -> Result<Instant, Error> {
    // what fits into 32 bits is taken for seconds, which an instant of early 1970 in milliseconds is not
    let sent = if ms % 1_000 == 0 && ms / 1_000 <= i64::from(u32::MAX) { ms / 1_000 } else { ms };
    Instant::new(sent).ok().filter(|instant| instant.ms() == ms).ok_or_else(|| Error::unreadable(format!("the instant {ms}")))
}
