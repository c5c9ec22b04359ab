//! What Prometheus and Grafana are given: only where it is asked for, and the same files as everywhere else.

use serde_json::{Value, json};

use crate::manifest::{find, of, pods, texts};
use crate::render::{render, text, variant};
use crate::resources::selects;

const MONITORED: [&str; 4] = ["--api-versions", "monitoring.coreos.com/v1", "--set", "podMonitor.enabled=true"];

#[test]
fn monitors_are_there_where_they_are_wanted_and_known() {
    let secured = variant("secured");
    assert_eq!(of(secured, "PodMonitor").count(), 9);
    assert_eq!(of(&render(&MONITORED).unwrap(), "PodMonitor").count(), 8, "no agents, no monitor of them");
    for monitor in of(secured, "PodMonitor") {
        let selector = texts(monitor.at("/spec/selector/matchLabels"));
        let selected: Vec<_> = pods(secured).filter(|pod| selects(&selector, &pod.labels)).collect();
        assert_eq!(selected.len(), 1, "{}", monitor.title());
        let authorized = !monitor.at("/spec/podMetricsEndpoints/0/authorization").is_null();
        assert_eq!(authorized, selected[0].component() == "api", "{}", monitor.title());
    }
    assert_eq!(of(variant("defaults"), "PodMonitor").count(), 0);
    assert_eq!(of(&render(&["--set", "podMonitor.enabled=true"]).unwrap(), "PodMonitor").count(), 0);
}

#[test]
fn the_rules_are_those_of_the_repository() {
    let rules: Value = serde_saphyr::from_str(&text("deploy/prometheus/rules.yaml")).unwrap();
    let wanted = ["--api-versions", "monitoring.coreos.com/v1", "--set", "prometheusRule.enabled=true"];
    let manifests = render(&wanted).unwrap();
    assert_eq!(*find(&manifests, "PrometheusRule", "loki-ops").at("/spec"), rules);
    assert_eq!(of(variant("defaults"), "PrometheusRule").count(), 0);
    assert_eq!(of(&render(&wanted[2..]).unwrap(), "PrometheusRule").count(), 0, "nobody knows what it is");
}

#[test]
fn runbooks_are_found_where_people_read_them() {
    let rule = find(variant("secured"), "PrometheusRule", "loki-ops");
    assert_eq!(rule.at("/metadata/labels/prometheus"), "main");
    let rules = rule.at("/spec/groups").as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    for alert in rules.filter(|rule| rule.get("alert").is_some()) {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        let name = url.strip_prefix("https://git.acme.example/loki/deploy/runbooks/").unwrap_or_else(|| panic!("{url}"));
        assert!(text(&format!("deploy/runbooks/{name}")).contains(alert["alert"].as_str().unwrap()), "{url}");
    }
    let error = render(&["--set", "prometheusRule.runbooks=runbooks"]).unwrap_err();
    assert!(error.contains("/prometheusRule/runbooks"), "{error}");
}

#[test]
fn the_dashboard_is_that_of_the_repository() {
    let dashboard = find(variant("secured"), "ConfigMap", "loki-ops-dashboard");
    let carried: Value = serde_json::from_str(dashboard.at("/data/loki-platform.json").as_str().unwrap()).unwrap();
    assert_eq!(carried, serde_json::from_str::<Value>(&text("deploy/grafana/dashboards/platform.json")).unwrap());
    assert_eq!(dashboard.at("/metadata/labels/grafana_dashboard"), "1");
    assert_eq!(*dashboard.at("/metadata/annotations"), json!({ "grafana_folder": "Loki" }));
    assert!(of(variant("defaults"), "ConfigMap").all(|manifest| manifest.name() != "loki-ops-dashboard"));
}
