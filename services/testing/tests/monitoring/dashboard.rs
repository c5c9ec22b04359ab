//! The dashboard of the platform names what there is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::declared::declared;
use crate::given::{queries, rules, text};
use crate::query::{is_declared, metrics};

#[test]
fn every_metric_on_the_dashboard_exists() {
    let (declared, rules) = (declared(), rules());
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    for (panel, query) in queries() {
        let named = metrics(&query);
        assert!(!named.is_empty(), "{panel}: {query}");
        for name in named {
            assert!(recorded.contains(name) || is_declared(&declared, name), "{panel}: nobody counts `{name}`");
        }
        assert!(query.contains(r#"job=~"$job""#), "{panel}: {query} is of all jobs");
    }
}

#[test]
fn panels_lie_beside_each_other_and_read_the_chosen_source() {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboards/platform.json")).unwrap();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another's");
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in number("x")..number("x") + number("w") {
            assert!(x < 24, "{title} is beyond the edge");
            for y in number("y")..number("y") + number("h") {
                assert!(places.insert((x, y)), "{title} covers another");
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["fieldConfig"]["defaults"]["unit"].is_null(), "{title} has no unit");
        }
    }
    let provisioned: Value = serde_saphyr::from_str(&text("deploy/grafana/provisioning/datasources/prometheus.yaml")).unwrap();
    assert_eq!(dashboard["templating"]["list"][0]["current"]["value"], provisioned["datasources"][0]["uid"]);
}
