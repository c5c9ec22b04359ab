//! What the agent and the prober write, read from the tables in their sources, and points of it.
//!
//! The agent's own test holds its table against what it sends. A panel of a metric or a tag that is not in a table finds no points here.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;

use loki_domain::sample::{Instant, Value};
use loki_domain::{Sample, Series, Tags};

/// Longer than any dashboard looks back, so that its start lies among points.
const HOST_SECONDS: i64 = 70 * 60;
const DOMAIN_SECONDS: i64 = 6 * 3_600 + 600;
/// Several points to each interval of a panel. The agent measures twice as often, the prober too.
const HOST_EVERY: i64 = 20;
const DOMAIN_EVERY: i64 = 120;

/// The tags of each metric.
pub(super) struct Written(BTreeMap<String, BTreeSet<String>>);

impl Written {
    pub(super) fn read() -> Self {
        let mut written = BTreeMap::new();
        for (metric, row) in rows("services/collect/agent/src/measure/points.rs") {
            let tags = quoted(row[1].as_str()).chain(["host".to_owned()]);
            written.insert(metric, tags.collect());
        }
        let text = source("services/collect/prober/src/lib.rs");
        let line = text.lines().find_map(|line| line.strip_prefix("//! Tags: ")).expect("a line of tags");
        // the values after `unless` are no names of tags
        let everywhere: BTreeSet<String> =
            line.split(';').next().unwrap_or(line).split(',').filter_map(|part| quoted(part).next()).collect();
        for (metric, row) in rows("services/collect/prober/src/lib.rs") {
            let about = row.join(" ");
            let own = about.split("tag `").skip(1).filter_map(|rest| rest.split('`').next()).map(str::to_owned);
            let alone = about.contains("alone");
            written.insert(metric, own.chain(everywhere.iter().filter(|_| !alone).cloned()).collect());
        }
        assert!(written.len() > 25, "only {:?}", written.keys());
        Self(written)
    }

    pub(super) fn tags(&self, metric: &str) -> Option<&BTreeSet<String>> {
        self.0.get(metric)
    }

    /// Points of those metrics that are written, with `prefix` before their names, until `now_ms`: three hosts, three domains, three vantages, two
    /// of every other tag.
    pub(super) fn samples(&self, metrics: &BTreeSet<&str>, prefix: &str, now_ms: i64) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (metric, tags) in self.0.iter().filter(|(metric, _)| metrics.contains(metric.as_str())) {
            let (seconds, every) = if metric.starts_with("host.") { (HOST_SECONDS, HOST_EVERY) } else { (DOMAIN_SECONDS, DOMAIN_EVERY) };
            for tags in combinations(tags) {
                let series = Series::new(
                    format!("{prefix}{metric}").parse().unwrap(),
                    Tags::new(tags.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap(),
                );
                // without the prefix: the same points in every run
                let seed = hash(&(metric, &tags));
                let first = now_ms / 1_000 - seconds + (seed % every as u64) as i64;
                for at in (first..now_ms / 1_000).step_by(every as usize) {
                    let value = (hash(&(seed, (at - first) / every)) % 1_000_000) as f64 / 7_919.0;
                    samples.push(Sample { series: series.clone(), at: Instant::new(at).unwrap(), value: Value::new(value).unwrap() });
                }
            }
        }
        assert!(!samples.is_empty(), "nobody writes {metrics:?}");
        samples
    }
}

/// Every combination of some values of each tag. Paths and schemes that are the usual ones are not written.
fn combinations(tags: &BTreeSet<String>) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for tag in tags.iter().filter(|tag| !matches!(tag.as_str(), "path" | "scheme")) {
        let values = match tag.as_str() {
            "host" => vec!["web01", "web02", "db-1.bj"],
            "domain" => vec!["a.example", "b.example", "c.example"],
            "vantage" => vec!["bj", "gz", "sh"],
            "phase" => vec!["dns", "connect", "tls"],
            _ => vec!["one", "/two"],
        };
        let with = |begun: &Vec<(String, String)>| -> Vec<Vec<(String, String)>> {
            let one = |value: &&str| begun.iter().cloned().chain([(tag.clone(), (*value).to_owned())]).collect();
            values.iter().map(one).collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// Each metric of the table in a file's head, with the columns of its row. In `` `a.b.c` `.d` `` the second is `a.b.d`.
fn rows(path: &str) -> Vec<(String, Vec<String>)> {
    let text = source(path);
    let table = text.lines().filter_map(|line| line.strip_prefix("//! | `")).map(|line| format!("`{line}"));
    let mut found = Vec::new();
    for line in table {
        let columns: Vec<String> = line.split('|').map(|column| column.trim().to_owned()).collect();
        let mut parent = String::new();
        for name in quoted(&columns[0]) {
            let metric = if name.starts_with('.') { format!("{parent}{name}") } else { name };
            metric.rsplit_once('.').expect("a dot").0.clone_into(&mut parent);
            found.push((metric, columns.clone()));
        }
    }
    assert!(found.len() > 5, "{path} has no table of metrics");
    found
}

/// What stands in back-ticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn tables_are_read_with_their_tags() {
    let written = Written::read();
    let tags = |metric: &str| written.tags(metric).unwrap().iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(tags("host.memory.available"), "host");
    assert_eq!(tags("host.disk.used"), "host mount");
    assert_eq!(tags("host.network.transmit.bytes"), "host interface");
    assert_eq!(tags("domain.availability"), "domain path scheme vantage vendor");
    assert_eq!(tags("domain.phase.time"), "domain path phase scheme vantage vendor");
    assert_eq!(tags("domain.vantage.ok"), "vantage");
    assert!(written.tags("host.network").is_none());
}
