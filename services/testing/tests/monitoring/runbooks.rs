//! Every alert has a runbook, every runbook an alert, and what they name exists.

use std::collections::BTreeSet;

use crate::declared::declared;
use crate::given::{alerts, names, rules, runbook, text};
use crate::query::{is_declared, metrics};

/// What is said once for all, and what no metric tells.
const OTHERS: [&str; 2] = ["README", "opentsdb-fsck"];

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let mut wanted: BTreeSet<String> = alerts().iter().map(|alert| runbook(alert)).collect();
    for alert in alerts() {
        let text = text(&format!("deploy/runbooks/{}.md", runbook(&alert)));
        assert!(text.lines().next().unwrap().contains(&alert), "the runbook of {alert} does not name it on top");
    }
    wanted.extend(OTHERS.map(str::to_owned));
    assert_eq!(names("deploy/runbooks", ".md"), wanted);
}

#[test]
fn every_metric_in_a_runbook_exists() {
    let declared = declared();
    let recorded: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.record).collect();
    for name in names("deploy/runbooks", ".md") {
        let text = text(&format!("deploy/runbooks/{name}.md"));
        for metric in metrics(&text).into_iter().filter(|metric| !metric.ends_with('_')) {
            let known = recorded.contains(metric) || declared.contains_key(metric) || is_declared(&declared, metric);
            assert!(known, "{name}.md: nobody counts `{metric}`");
        }
        for beginning in beginnings(&text) {
            let known = is_declared(&declared, &beginning) || declared.keys().any(|name| name.starts_with(&beginning));
            assert!(known, "{name}.md: no metric begins with `{beginning}`");
        }
    }
}

/// What `grep` looks for: `lokiops_decider_(lag|batch)` are two.
fn beginnings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("lokiops_").skip(1) {
        let Some((stem, rest)) = rest.split_once('(') else { continue };
        if stem.chars().all(|c| c.is_ascii_lowercase() || c == '_') && stem.ends_with('_') {
            let ends = rest.split(')').next().unwrap().split('|');
            found.extend(ends.map(|end| format!("lokiops_{stem}{end}")));
        }
    }
    found
}

#[test]
fn runbooks_are_built_alike() {
    for alert in alerts() {
        let name = runbook(&alert);
        let text = text(&format!("deploy/runbooks/{name}.md"));
        let parts: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, ["How it looks", "What it means", "Look closer", "Repair", "See that it is over"], "{name}.md");
    }
}
