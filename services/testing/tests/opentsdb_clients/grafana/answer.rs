//! Answers as the lines decode them: what they could not read panics here, what they pass over is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The last digits depend on the order of additions.
const RELATIVE: f64 = 1e-9;

pub(crate) type Groups = Vec<Group>;

/// One line of a panel.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) metric: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) aggregate_tags: BTreeSet<String>,
    /// By milliseconds since 1970.
    pub(crate) points: BTreeMap<i64, f64>,
    pub(crate) query_index: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<P> {
    metric: String,
    tags: BTreeMap<String, String>,
    aggregate_tags: BTreeSet<String>,
    dps: P,
    query: Option<Query>,
}

#[derive(Deserialize)]
struct Query {
    index: usize,
}

/// `"dps": {"<instant>": <number>}`, with instants of so many milliseconds.
pub(crate) fn groups_by_instant(body: &[u8], unit_ms: i64) -> Groups {
    let points = |dps: BTreeMap<String, f64>| {
        let point = |(at, value): (String, f64)| (at.parse::<i64>().unwrap_or_else(|_| panic!("`{at}` is no instant")) * unit_ms, value);
        dps.into_iter().map(point).collect()
    };
    read::<Vec<Written<_>>>(body).into_iter().map(|written| group(written, points)).collect()
}

/// `"dps": [[<seconds>, <number>]]`.
pub(crate) fn groups_in_pairs(body: &[u8]) -> Groups {
    let points = |dps: Vec<(f64, f64)>| dps.into_iter().map(|(at, value)| (at as i64 * 1_000, value)).collect();
    read::<Vec<Written<_>>>(body).into_iter().map(|written| group(written, points)).collect()
}

fn group<P>(written: Written<P>, points: impl Fn(P) -> BTreeMap<i64, f64>) -> Group {
    let Written { metric, tags, aggregate_tags, dps, query } = written;
    Group { metric, tags, aggregate_tags, points: points(dps), query_index: query.map(|query| query.index) }
}

pub(crate) fn names(body: &[u8]) -> BTreeSet<String> {
    read(body)
}

/// Of `/api/config/filters` only the names are used.
pub(super) fn keys(body: &[u8]) -> BTreeSet<String> {
    read::<BTreeMap<String, Value>>(body).into_keys().collect()
}

pub(super) fn tag_values(body: &[u8], tag: &str) -> BTreeSet<String> {
    found_tags(body).into_iter().map(|mut tags| tags.remove(tag).unwrap_or_else(|| panic!("a series has no `{tag}`"))).collect()
}

pub(super) fn tag_names(body: &[u8]) -> BTreeSet<String> {
    found_tags(body).into_iter().flat_map(BTreeMap::into_keys).collect()
}

/// The tags of each series that a look-up found.
pub(crate) fn found_tags(body: &[u8]) -> BTreeSet<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Found>,
    }
    #[derive(Deserialize)]
    struct Found {
        tags: BTreeMap<String, String>,
    }
    read::<Answer>(body).results.into_iter().map(|found| found.tags).collect()
}

/// How many annotations the first group brings; none when it has no such member.
pub(super) fn events(body: &[u8]) -> usize {
    let groups: Vec<Value> = read(body);
    let first = groups.first().expect("a group");
    ["annotations", "globalAnnotations"].iter().filter_map(|member| first[member].as_array()).map(Vec::len).sum()
}

fn read<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(body)))
}

/// Where two answers differ first; in which order groups come is no difference.
pub(crate) fn difference(ours: &Groups, theirs: &Groups) -> Option<String> {
    let by_name = |groups: &Groups| -> BTreeMap<String, Group> {
        groups.iter().map(|group| (format!("{}{:?}{:?}", group.metric, group.tags, group.query_index), group.clone())).collect()
    };
    let (ours, theirs) = (by_name(ours), by_name(theirs));
    if !ours.keys().eq(theirs.keys()) {
        return Some(format!("groups {:?} and {:?}", ours.keys(), theirs.keys()));
    }
    ours.iter().zip(theirs.values()).find_map(|((name, one), other)| {
        if one.aggregate_tags != other.aggregate_tags {
            return Some(format!("{name}: tags {:?} and {:?}", one.aggregate_tags, other.aggregate_tags));
        }
        if !one.points.keys().eq(other.points.keys()) {
            return Some(format!("{name}: instants {:?} and {:?}", one.points.keys(), other.points.keys()));
        }
        let differing = one.points.iter().zip(other.points.values()).find(|((_, value), another)| !close(**value, **another));
        differing.map(|((at, value), another)| format!("{name} at {at}: {value} and {another}"))
    })
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= one.abs().max(other.abs()) * RELATIVE
}

#[test]
fn only_order_and_last_digits_are_no_difference() {
    let groups = |hosts: [&str; 2], value: f64| {
        let group =
            |host: &str| serde_json::json!({ "metric": "m", "tags": { "host": host }, "aggregateTags": ["mount"], "dps": { "1": value } });
        groups_by_instant(Value::from(hosts.map(group).to_vec()).to_string().as_bytes(), 1_000)
    };
    assert_eq!(difference(&groups(["a", "b"], 1.0), &groups(["b", "a"], 1.0 + 1e-10)), None);
    assert!(difference(&groups(["a", "b"], 1.0), &groups(["a", "b"], 1.1)).unwrap().contains("1 and 1.1"));
    assert!(difference(&groups(["a", "b"], 1.0), &groups(["a", "c"], 1.0)).is_some());
    let in_pairs = groups_in_pairs(br#"[{"metric":"m","tags":{"host":"a"},"aggregateTags":[],"dps":[[1,1.0]]}]"#);
    assert_eq!(difference(&in_pairs, &in_pairs), None);
    assert!(difference(&groups(["a", "b"], 1.0), &in_pairs).is_some());
}
