//! What Prometheus' own tool says.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use loki_testing::real::stack_dir;

use crate::given::{queries, repository};

/// Runs it beside the rules.
fn promtool(arguments: &[&str]) {
    let own = stack_dir().join("bin/promtool");
    let promtool = if own.is_file() { own } else { PathBuf::from("promtool") };
    let output = Command::new(&promtool)
        .args(arguments)
        .current_dir(repository("deploy/prometheus"))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run `services/testing/stack/install.sh promtool`", promtool.display()));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn it_takes_rules_and_configuration() {
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["check", "config", "prometheus.yaml"]);
}

#[test]
fn alerts_fire_where_they_should_and_nowhere_else() {
    promtool(&["test", "rules", "rules.test.yaml"]);
}

/// Queries are rules that record.
#[test]
fn it_takes_the_queries_of_the_dashboard() {
    let mut file = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, (_, query)) in queries().into_iter().enumerate() {
        let query = query.replace("$job", ".*").replace("$__rate_interval", "5m");
        assert!(!query.contains('$'), "{query} has a variable that is not known");
        writeln!(file, "      - record: query:lokiops:{index}\n        expr: '{query}'").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dashboard.yaml");
    std::fs::write(&path, file).unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()]);
}
