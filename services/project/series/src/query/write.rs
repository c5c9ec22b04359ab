//! The answer's JSON: a list with one object per group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::downsample::Fill;
use super::json::Json;
use super::plan::{MetricPlan, Plan};
use crate::answer::write_tsuid;
use crate::store::Entry;

pub(super) struct Writer<'p> {
    plan: &'p Plan,
    arrays: bool,
    json: Json,
    groups: usize,
    points: usize,
    null: bool,
    /// In seconds several points may have one name, of which readers take the last: only that one is written.
    held: Option<(i64, f64)>,
}

impl<'p> Writer<'p> {
    pub(super) fn new(plan: &'p Plan, arrays: bool) -> Self {
        let mut json = Json::default();
        json.raw("[");
        Self { plan, arrays, json, groups: 0, points: 0, null: false, held: None }
    }

    pub(super) fn begin(&mut self, index: usize, metric: &MetricPlan, members: &[Arc<Entry>]) {
        let (common, different) = tags_of(members);
        if self.groups > 0 {
            self.json.raw(",");
        }
        self.groups += 1;
        self.points = 0;
        self.null = metric.downsample.as_ref().is_some_and(|downsample| downsample.fill == Fill::Null);
        self.json.raw(r#"{"metric":"#).text(&metric.metric).raw(r#","tags":{"#);
        self.json.list(common, |json, (name, value)| {
            json.text(name).raw(":").text(value);
        });
        self.json.raw(r#"},"aggregateTags":["#);
        self.json.list(different, |json, name| {
            json.text(name);
        });
        self.json.raw("]");
        if self.plan.show_query {
            self.json.raw(r#","query":"#);
            write_query(&mut self.json, index, metric);
        }
        if self.plan.show_tsuids {
            let mut tsuids: Vec<String> = members.iter().map(|entry| write_tsuid(entry)).collect();
            tsuids.sort_unstable();
            self.json.raw(r#","tsuids":["#);
            self.json.list(tsuids, |json, tsuid| {
                json.text(&tsuid);
            });
            self.json.raw("]");
        }
        self.json.raw(if self.arrays { r#","dps":["# } else { r#","dps":{"# });
    }

    pub(super) fn point(&mut self, at: i64, value: f64) {
        let at = if self.plan.ms { at } else { at / 1_000 };
        if self.arrays {
            self.write(at, value);
        } else if let Some((before, held)) = self.held.replace((at, value))
            && before != at
        {
            self.write(before, held);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some((at, value)) = self.held.take() {
            self.write(at, value);
        }
        self.json.raw(if self.arrays { "]}" } else { "}}" });
    }

    pub(super) fn len(&self) -> usize {
        self.json.len()
    }

    pub(super) fn finish(mut self) -> Json {
        self.json.raw("]");
        self.json
    }

    fn write(&mut self, at: i64, value: f64) {
        if self.points > 0 {
            self.json.raw(",");
        }
        self.points += 1;
        if self.arrays {
            self.json.raw("[").whole(at).raw(",");
        } else {
            self.json.raw("\"").whole(at).raw("\":");
        }
        if value.is_nan() && self.null {
            self.json.raw("null");
        } else {
            self.json.float(value);
        }
        if self.arrays {
            self.json.raw("]");
        }
    }
}

/// The tags in which no two members differ, and the names of those in which some do.
fn tags_of(members: &[Arc<Entry>]) -> (BTreeMap<&str, &str>, BTreeSet<&str>) {
    let (mut common, mut different) = (BTreeMap::new(), BTreeSet::new());
    for (name, value) in members.iter().flat_map(|entry| entry.series.tags.iter()) {
        if different.contains(name) {
            continue;
        }
        if *common.entry(name).or_insert(value) != value {
            common.remove(name);
            different.insert(name);
        }
    }
    (common, different)
}

/// The part of the question that a group belongs to; Grafana finds its panel's query by `index`.
fn write_query(json: &mut Json, index: usize, metric: &MetricPlan) {
    json.raw(r#"{"aggregator":"#).text(metric.aggregator.name);
    json.raw(r#","metric":"#).text(&metric.metric).raw(r#","tsuids":null,"downsample":"#);
    if metric.downsample_text.is_empty() {
        json.raw("null");
    } else {
        json.text(&metric.downsample_text);
    }
    json.raw(if metric.rate.is_some() { r#","rate":true,"filters":["# } else { r#","rate":false,"filters":["# });
    json.list(&metric.filters, |json, filter| {
        json.raw(r#"{"tagk":"#).text(&filter.tag).raw(r#","filter":"#).text(&filter.text);
        json.raw(if filter.group_by { r#","group_by":true,"type":"# } else { r#","group_by":false,"type":"# });
        json.text(filter.kind).raw("}");
    });
    json.raw(r#"],"index":"#).whole(index as i64).raw(r#","tags":{"#);
    let grouping: BTreeMap<&str, String> = metric
        .filters
        .iter()
        .filter(|filter| filter.group_by)
        .map(|filter| (filter.tag.as_str(), format!("{}({})", filter.kind, filter.text)))
        .collect();
    json.list(grouping, |json, (name, value)| {
        json.text(name).raw(":").text(&value);
    });
    json.raw(r#"},"rateOptions":"#);
    match &metric.rate_options {
        None => json.raw("null"),
        Some(options) => json
            .raw(if options.counter { r#"{"counter":true,"counterMax":"# } else { r#"{"counter":false,"counterMax":"# })
            .whole(options.counter_max)
            .raw(r#","resetValue":"#)
            .whole(options.reset_value)
            .raw(if options.drop_resets { r#","dropResets":true}"# } else { r#","dropResets":false}"# }),
    };
    json.raw(if metric.explicit_tags { r#","explicitTags":true}"# } else { r#","explicitTags":false}"# });
}
