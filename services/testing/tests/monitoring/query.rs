//! What a query of Prometheus asks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::declared::Kind;

/// The metrics of ours that it names, recorded ones too.
pub(crate) fn metrics(query: &str) -> BTreeSet<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("lokiops_") || word.contains(":lokiops_")).collect()
}

/// Whether a metric, as a query names it, is one that is declared.
pub(crate) fn is_declared(declared: &BTreeMap<String, Kind>, name: &str) -> bool {
    let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
    match declared.get(name) {
        Some(kind) => *kind != Kind::Histogram,
        None => of_histogram.is_some_and(|name| declared.get(name) == Some(&Kind::Histogram)),
    }
}

#[test]
fn names_are_found_and_told_apart() {
    let query = r#"sum by (job) (rate(lokiops_a_total{why="x"}[5m])) / job:lokiops_b:sum > lokiops_c_seconds_bucket"#;
    assert_eq!(metrics(query), BTreeSet::from(["lokiops_a_total", "job:lokiops_b:sum", "lokiops_c_seconds_bucket"]));
    let declared = BTreeMap::from([("lokiops_a_total".to_owned(), Kind::Counter), ("lokiops_c_seconds".to_owned(), Kind::Histogram)]);
    let known = ["lokiops_a_total", "lokiops_a_total_sum", "lokiops_c_seconds", "lokiops_c_seconds_bucket", "lokiops_d"];
    assert_eq!(known.map(|name| is_declared(&declared, name)), [true, false, false, true, false]);
}
