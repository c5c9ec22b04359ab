//! The files that are looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Below the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub(crate) fn text(path: &str) -> String {
    let path = repository(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the files in a folder, without their extension.
pub(crate) fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect()
}

/// A rule that records, or one that alerts.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) record: Option<String>,
    pub(crate) alert: Option<String>,
    pub(crate) expr: String,
    #[serde(default)]
    pub(crate) labels: Value,
    #[serde(default)]
    pub(crate) annotations: Value,
}

impl Rule {
    pub(crate) fn annotation(&self, name: &str) -> &str {
        self.annotations[name].as_str().unwrap_or_else(|| panic!("{:?} has no `{name}`", self.alert))
    }
}

pub(crate) fn rules() -> Vec<Rule> {
    #[derive(Deserialize)]
    struct File {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    let file: File = serde_saphyr::from_str(&text("deploy/prometheus/rules.yaml")).unwrap();
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

pub(crate) fn alerts() -> BTreeSet<String> {
    rules().into_iter().filter_map(|rule| rule.alert).collect()
}

/// `LokiOpsStoreAway` is `store-away`.
pub(crate) fn runbook(alert: &str) -> String {
    let name = alert.strip_prefix("LokiOps").unwrap_or_else(|| panic!("`{alert}` does not begin with LokiOps"));
    let mut kebab = String::new();
    for letter in name.replace("OpenTsdb", "Opentsdb").chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// The queries of the dashboard, by panel.
pub(crate) fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboards/platform.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(queries.len() > 50, "{}", queries.len());
    queries
}
