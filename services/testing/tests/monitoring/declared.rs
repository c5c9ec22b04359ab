//! The metrics that crates declare, from their `metrics.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::given::repository;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const KINDS: [(&str, Kind); 3] = [("counter", Kind::Counter), ("gauge", Kind::Gauge), ("histogram", Kind::Histogram)];

/// Every declared metric.
pub(crate) fn declared() -> BTreeMap<String, Kind> {
    let mut all = BTreeMap::new();
    for (file, text) in sources() {
        for (name, kind) in of(&text) {
            assert!(name.starts_with("lokiops_"), "{}: `{name}`", file.display());
            assert!(all.insert(name.clone(), kind).is_none(), "{}: `{name}` is declared twice", file.display());
        }
    }
    assert!(all.len() > 80, "only {} metrics were found", all.len());
    all
}

/// Every `metrics.rs`, without its comments.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for stage in fs::read_dir(repository("services")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for leaf in fs::read_dir(stage).unwrap().map(|entry| entry.unwrap().path()) {
            let file = leaf.join("src/metrics.rs");
            if file.is_file() {
                let text = fs::read_to_string(&file).unwrap();
                let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                found.push((file, code.join("\n")));
            }
        }
    }
    found
}

/// `Metric::gauge(…` and `describe_gauge!(…`, with the name itself or a constant that holds it.
fn of(code: &str) -> Vec<(String, Kind)> {
    let mut found = Vec::new();
    for (word, kind) in KINDS {
        for declaration in [format!("Metric::{word}("), format!("describe_{word}!(")] {
            for rest in code.split(&declaration).skip(1) {
                let rest = rest.trim_start();
                let name = match rest.strip_prefix('"') {
                    Some(literal) => literal.split('"').next().unwrap().to_owned(),
                    None => constant(code, rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap()),
                };
                found.push((name, kind));
            }
        }
    }
    found
}

fn constant(code: &str, name: &str) -> String {
    let value = code.split_once(&format!("const {name}: &str = \"")).unwrap_or_else(|| panic!("there is no constant `{name}`")).1;
    value.split('"').next().unwrap().to_owned()
}

/// What is not in it has no help text.
#[test]
fn every_declared_metric_is_among_all() {
    let mut looked = 0;
    for (file, code) in sources() {
        let Some((_, rest)) = code.split_once("const ALL") else { continue };
        let list = rest.split_once('=').unwrap().1.split(';').next().unwrap();
        for declaration in code.split("const ").skip(1).filter(|rest| rest.split('=').next().unwrap().trim_end().ends_with(": Metric")) {
            let name = declaration.split(':').next().unwrap();
            looked += 1;
            let is_listed = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
            assert!(is_listed, "{}: `{name}` is not in `ALL`", file.display());
        }
    }
    assert!(looked > 60, "only {looked} were looked at");
}
