//! The rules name what there is, and their tests know every alert.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::declared::declared;
use crate::given::{alerts, queries, rules, runbook, text};
use crate::query::{is_declared, metrics};

#[test]
fn every_metric_in_a_rule_exists() {
    let (declared, rules) = (declared(), rules());
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    for rule in &rules {
        let named = metrics(&rule.expr);
        assert!(!named.is_empty(), "{rule:?}");
        for name in named {
            assert!(recorded.contains(name) || is_declared(&declared, name), "nobody counts `{name}`: {rule:?}");
        }
    }
}

#[test]
fn what_is_recorded_is_used() {
    let (rules, queries) = (rules(), queries());
    let used: BTreeSet<&str> =
        rules.iter().map(|rule| &rule.expr).chain(queries.iter().map(|(_, query)| query)).flat_map(|query| metrics(query)).collect();
    for record in rules.iter().filter_map(|rule| rule.record.as_deref()) {
        assert!(used.contains(record), "nobody reads `{record}`");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    for rule in rules() {
        let Some(alert) = &rule.alert else { continue };
        assert!(matches!(rule.labels["severity"].as_str(), Some("critical" | "warning")), "{alert}: {:?}", rule.labels);
        assert_eq!(rule.annotation("runbook"), format!("deploy/runbooks/{}.md", runbook(alert)), "{alert}");
        for said in ["summary", "description"] {
            assert!(rule.annotation(said).ends_with(['.', '}']), "{alert}: `{said}` is no sentence");
        }
    }
    let count = alerts().len();
    assert!((12..=24).contains(&count), "{count} alerts: what nobody acts on is noise");
}

/// The well platform, on which none fires, is a test of its own there.
#[test]
fn every_alert_fires_in_a_test() {
    #[derive(Deserialize)]
    struct File {
        tests: Vec<Test>,
    }
    #[derive(Deserialize)]
    struct Test {
        #[serde(default)]
        alert_rule_test: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        alertname: String,
        exp_alerts: Vec<Value>,
    }
    let file: File = serde_saphyr::from_str(&text("deploy/prometheus/rules.test.yaml")).unwrap();
    let cases = file.tests.into_iter().flat_map(|test| test.alert_rule_test);
    let fires: BTreeSet<String> = cases.filter(|case| !case.exp_alerts.is_empty()).map(|case| case.alertname).collect();
    assert_eq!(fires, alerts());
}
