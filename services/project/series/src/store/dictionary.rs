//! Which series there are: by name, by metric, and by each of their tags. All in memory; the disk has the names only.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loki_domain::Series;
use loki_domain::series::Tags;

use super::disk::Id;
use super::names::Names;
use crate::Error;

type Index<K> = HashMap<K, Vec<Id>, foldhash::fast::FixedState>;

#[derive(Default)]
pub(crate) struct Dictionary {
    pub(crate) metrics: Names,
    pub(crate) tag_names: Names,
    pub(crate) tag_values: Names,
    entries: Vec<Option<Arc<Entry>>>,
    by_name: HashSet<ByName, foldhash::fast::FixedState>,
    by_metric: Index<u32>,
    by_tag: Index<(u32, u32)>,
}

pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) series: Series,
    pub(crate) metric: u32,
    /// Numbers of name and value, in the order of the names' numbers.
    pub(crate) tags: Box<[(u32, u32)]>,
    newest: AtomicI64,
}

/// The newest instant was not looked for since the store was opened.
const UNKNOWN: i64 = i64::MIN;
/// There is no point.
const NONE: i64 = i64::MIN + 1;

impl Entry {
    /// The newest instant, `Some(None)` when there is no point, nothing when that is not known.
    pub(super) fn newest(&self) -> Option<Option<i64>> {
        match self.newest.load(Ordering::Acquire) {
            UNKNOWN => None,
            NONE => Some(None),
            at => Some(Some(at)),
        }
    }

    pub(super) fn set_newest(&self, at: Option<i64>) {
        self.newest.store(at.unwrap_or(NONE), Ordering::Release);
    }

    pub(super) fn forget_newest(&self) {
        self.newest.store(UNKNOWN, Ordering::Release);
    }

    /// A point was put. What is unknown stays so: older points may be newer.
    pub(super) fn raise_newest(&self, at: i64) {
        if self.newest.load(Ordering::Acquire) != UNKNOWN {
            self.newest.fetch_max(at, Ordering::AcqRel);
        }
    }

    pub(crate) fn value_of(&self, tag_name: u32) -> Option<u32> {
        self.tags.iter().find(|(name, _)| *name == tag_name).map(|(_, value)| *value)
    }
}

impl Dictionary {
    /// `known` when the series has points that were put before the store was opened.
    pub(super) fn add(&mut self, id: Id, series: Series, known: bool) -> Arc<Entry> {
        let metric = self.metrics.add(series.metric.as_str());
        let mut tags: Vec<(u32, u32)> =
            series.tags.iter().map(|(name, value)| (self.tag_names.add(name), self.tag_values.add(value))).collect();
        tags.sort_unstable();
        let newest = AtomicI64::new(if known { UNKNOWN } else { NONE });
        let entry = Arc::new(Entry { id, series, metric, tags: tags.into(), newest });
        self.by_metric.entry(metric).or_default().push(id);
        for tag in &entry.tags {
            self.by_tag.entry(*tag).or_default().push(id);
        }
        if self.entries.len() <= id as usize {
            self.entries.resize(id as usize + 1, None);
        }
        self.entries[id as usize] = Some(Arc::clone(&entry));
        self.by_name.insert(ByName(Arc::clone(&entry)));
        entry
    }

    pub(super) fn remove(&mut self, gone: &[Arc<Entry>]) {
        let ids: HashSet<Id> = gone.iter().map(|entry| entry.id).collect();
        let (mut metrics, mut tags) = (HashSet::new(), HashSet::new());
        for entry in gone {
            self.by_name.remove(&entry.series);
            self.entries[entry.id as usize] = None;
            self.metrics.remove(entry.metric);
            metrics.insert(entry.metric);
            for (name, value) in &entry.tags {
                self.tag_names.remove(*name);
                self.tag_values.remove(*value);
                tags.insert((*name, *value));
            }
        }
        strike(&mut self.by_metric, metrics, &ids);
        strike(&mut self.by_tag, tags, &ids);
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn find(&self, series: &Series) -> Option<&Arc<Entry>> {
        self.by_name.get(series).map(|found| &found.0)
    }

    pub(super) fn entry(&self, id: Id) -> Option<&Arc<Entry>> {
        self.entries.get(id as usize).and_then(Option::as_ref)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().flatten()
    }

    /// The series of a metric that may have all of these tags: those of whatever is rarest.
    pub(crate) fn candidates(&self, metric: Option<u32>, tags: &[(u32, u32)]) -> Vec<&Arc<Entry>> {
        let of_metric = metric.map(|metric| self.by_metric.get(&metric).map_or(&[][..], Vec::as_slice));
        let of_tags = tags.iter().map(|tag| self.by_tag.get(tag).map_or(&[][..], Vec::as_slice));
        match of_metric.into_iter().chain(of_tags).min_by_key(|ids| ids.len()) {
            Some(ids) => ids.iter().filter_map(|id| self.entry(*id)).filter(|entry| metric.is_none_or(|it| entry.metric == it)).collect(),
            None => self.entries().collect(),
        }
    }
}

fn strike<K: Hash + Eq>(index: &mut Index<K>, keys: HashSet<K>, gone: &HashSet<Id>) {
    for key in keys {
        if let Some(ids) = index.get_mut(&key) {
            ids.retain(|id| !gone.contains(id));
            if ids.is_empty() {
                index.remove(&key);
            }
        }
    }
}

/// An entry that is found by its series' name.
struct ByName(Arc<Entry>);

impl Borrow<Series> for ByName {
    fn borrow(&self) -> &Series {
        &self.0.series
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.series.hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.series == other.0.series
    }
}

impl Eq for ByName {}

/// Reads a series as its `Display` writes it, `metric{name=value,…}`.
pub(super) fn parse_series(written: &[u8]) -> Result<Series, Error> {
    let read = || {
        let (metric, rest) = std::str::from_utf8(written).ok()?.split_once('{')?;
        let tags: Vec<(&str, &str)> = rest.strip_suffix('}')?.split(',').map(|tag| tag.split_once('=')).collect::<Option<_>>()?;
        Some(Series::new(metric.parse().ok()?, Tags::new(tags).ok()?))
    };
    read().ok_or_else(|| Error::unreadable(format!("the series {}", String::from_utf8_lossy(written).escape_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary(written: &[&str]) -> Dictionary {
        let mut dictionary = Dictionary::default();
        for (id, series) in written.iter().enumerate() {
            dictionary.add(id as Id, parse_series(series.as_bytes()).unwrap(), false);
        }
        dictionary
    }

    fn ids(found: Vec<&Arc<Entry>>) -> Vec<Id> {
        found.into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn series_are_found_by_what_is_rarest() {
        let dictionary = dictionary(&["cpu{host=a,rack=1}", "cpu{host=b,rack=1}", "mem{host=a}"]);
        let host = dictionary.tag_names.number("host").unwrap();
        let a = dictionary.tag_values.number("a").unwrap();
        let cpu = dictionary.metrics.number("cpu");
        assert_eq!(ids(dictionary.candidates(cpu, &[])), [0, 1]);
        assert_eq!(ids(dictionary.candidates(cpu, &[(host, a)])), [0, 1], "both are as rare");
        assert_eq!(ids(dictionary.candidates(None, &[(host, a)])), [0, 2]);
        assert_eq!(ids(dictionary.candidates(None, &[])), [0, 1, 2]);
        assert_eq!(ids(dictionary.candidates(Some(9), &[])), Vec::<Id>::new());
    }

    #[test]
    fn a_removed_series_is_nowhere() {
        let mut dictionary = dictionary(&["cpu{host=a}", "cpu{host=b}"]);
        let gone = Arc::clone(dictionary.entry(0).unwrap());
        dictionary.remove(&[gone]);
        assert!(dictionary.find(&parse_series(b"cpu{host=a}").unwrap()).is_none());
        assert_eq!(dictionary.len(), 1);
        assert_eq!(ids(dictionary.candidates(dictionary.metrics.number("cpu"), &[])), [1]);
        assert_eq!(dictionary.tag_values.number("a"), None);
    }

    #[test]
    fn a_written_series_reads_back() {
        for written in ["cpu{host=a,rack=1}", "m/x-y_z.1{ü=ä}"] {
            assert_eq!(parse_series(written.as_bytes()).unwrap().to_string(), written);
        }
        for wrong in [&b"cpu"[..], b"cpu{}", b"cpu{a}", b"cpu{a=b", b"\xff{a=b}"] {
            assert!(parse_series(wrong).is_err());
        }
    }
}
