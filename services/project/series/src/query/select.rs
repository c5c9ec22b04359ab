//! Which series a part of a question is about, and how they are grouped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::budget::Budget;
use super::filter::Filter;
use super::plan::MetricPlan;
use super::problem::Problem;
use crate::store::{Dictionary, Entry};

/// More literals are compared one by one, and none of them needs to be known; as OpenTSDB has it by default.
const EXPANSION_MAX: usize = 4_096;

/// The series in OpenTSDB's order, which is that of the numbers of their tags.
pub(super) fn select(dictionary: &Dictionary, plan: &MetricPlan, budget: &Budget<'_>) -> Result<Vec<Arc<Entry>>, Problem> {
    let metric = dictionary.metrics.number(&plan.metric).ok_or_else(|| Problem::no_such_name("metrics", &plan.metric))?;
    let mut filters = plan.filters.iter().map(|filter| Resolved::new(dictionary, filter)).collect::<Result<Vec<_>, Problem>>()?;
    let certain: Vec<(u32, u32)> = filters.iter().filter_map(|filter| filter.only.map(|value| (filter.tag, value))).collect();
    let mut explicit: Vec<u32> = filters.iter().filter(|filter| filter.filter.wants_tag()).map(|filter| filter.tag).collect();
    explicit.sort_unstable();
    explicit.dedup();
    let explicit = Some(explicit).filter(|tags| plan.explicit_tags && !tags.is_empty());
    let mut selected = Vec::new();
    for (index, entry) in dictionary.candidates(Some(metric), &certain).into_iter().enumerate() {
        if index.is_multiple_of(1_024) {
            budget.check_time()?;
        }
        if explicit.as_ref().is_some_and(|tags| !tags.iter().eq(entry.tags.iter().map(|(name, _)| name))) {
            continue;
        }
        if passes_all(&mut filters, dictionary, entry)? {
            selected.push(Arc::clone(entry));
            budget.check_series(selected.len())?;
        }
    }
    selected.sort_unstable_by(|one, other| one.tags.cmp(&other.tags));
    Ok(selected)
}

fn passes_all(filters: &mut [Resolved<'_>], dictionary: &Dictionary, entry: &Entry) -> Result<bool, Problem> {
    for filter in filters {
        if !filter.passes(dictionary, entry)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Groups in the order of their values' numbers. Without grouping there is one group; the aggregator `none` makes one of each series.
pub(super) fn group(dictionary: &Dictionary, plan: &MetricPlan, selected: Vec<Arc<Entry>>) -> Vec<Vec<Arc<Entry>>> {
    if plan.aggregator.name == "none" {
        return selected.into_iter().map(|entry| vec![entry]).collect();
    }
    let grouping = plan.filters.iter().filter(|filter| filter.group_by);
    let mut tags: Vec<u32> = grouping.filter_map(|filter| dictionary.tag_names.number(&filter.tag)).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut groups: BTreeMap<Vec<u32>, Vec<Arc<Entry>>> = BTreeMap::new();
    for entry in selected {
        if let Some(values) = tags.iter().map(|tag| entry.value_of(*tag)).collect() {
            groups.entry(values).or_default().push(entry);
        }
    }
    groups.into_values().collect()
}

/// A filter with the number of its tag, and what it said about the values that were met.
struct Resolved<'f> {
    filter: &'f Filter,
    tag: u32,
    /// The only value that can pass.
    only: Option<u32>,
    met: HashMap<u32, bool, foldhash::fast::FixedState>,
}

impl<'f> Resolved<'f> {
    fn new(dictionary: &Dictionary, filter: &'f Filter) -> Result<Self, Problem> {
        let literals = filter.literals().filter(|literals| literals.len() <= EXPANSION_MAX).unwrap_or_default();
        let mut values = Vec::with_capacity(literals.len());
        for value in literals {
            values.push(dictionary.tag_values.number(value).ok_or_else(|| Problem::no_such_name("tagv", value))?);
        }
        let tag = dictionary.tag_names.number(&filter.tag).ok_or_else(|| Problem::no_such_name("tagk", &filter.tag))?;
        let only = if let [only] = values[..] { Some(only) } else { None };
        Ok(Self { filter, tag, only, met: HashMap::default() })
    }

    fn passes(&mut self, dictionary: &Dictionary, entry: &Entry) -> Result<bool, Problem> {
        let Some(value) = entry.value_of(self.tag) else { return Ok(!self.filter.wants_tag()) };
        if !self.filter.wants_tag() {
            return Ok(false);
        }
        if let Some(known) = self.met.get(&value) {
            return Ok(*known);
        }
        let passes = self.filter.passes(dictionary.tag_values.text(value))?;
        self.met.insert(value, passes);
        Ok(passes)
    }
}
