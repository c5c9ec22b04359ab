//! The README's way to the real set, step by step: topics, tables, `loki all`, then the same by one process per service.

use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, Topic};
use serde_json::{Value, json};

use crate::kcat;
use crate::platform::{Backends, Platform, SERVICES};

/// A metric that a service has from its start, or from its first commands.
fn metrics(service: &str) -> &'static [&'static str] {
    match service {
        "decider" => &["lokiops_decider_active 1", "lokiops_decider_outcomes_total{outcome=\"accepted\"} "],
        "mysql" => &["lokiops_project_position{projection=\"mysql\"} ", "lokiops_project_position{projection=\"history\"} "],
        "zookeeper" => &["lokiops_project_position{projection=\"zookeeper\"} "],
        "redis" => &["lokiops_project_position{projection=\"redis\"} "],
        "opentsdb" => &["lokiops_project_lag_records{projection=\"opentsdb\"} "],
        _ => &["lokiops_api_"],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commands_run_all_or_one_service_each() {
    let backends = Backends::shared();
    let mut platform = Platform::bare(&backends).await;
    prepare(&platform);

    platform.start("all").await;
    platform.until_said("all", "(real backends)").await;
    let commands = format!("{}loki.commands", platform.prefix);
    let plain = r#"{"type":"node.create","data":{"path":"/acme/shop","parents":true}}"#;
    kcat::produce(&backends.kafka, &commands, &[], format!("{plain}\n").into_bytes()).await;
    platform.api.until("/v1/tree/acme/shop", |status, node| status == 200 && node["path"] == "/acme/shop").await;
    let server = platform.api.accept("server.register", json!({ "name": "web01", "state": "online" })).await;
    platform.api.accept("server.mount", json!({ "server": "web01", "node": "/acme/shop" })).await;
    platform.expect(&["emit", "node.set", "--data", r#"{"node":"/acme","labels":{"tier":"1"}}"#, "--wait"]);
    let refused = platform.loki(&["emit", "node.remove", "--data", r#"{"node":"/acme"}"#, "--wait"]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
    platform.api.settled().await;
    platform.verify();
    let text = platform.api.text("/metrics").await.unwrap();
    for line in SERVICES.into_iter().flat_map(metrics) {
        assert!(text.contains(line), "`{line}` is not among the metrics of `all`:\n{text}");
    }
    platform.stop("all");

    // the same log and stores, a process each
    for service in SERVICES {
        platform.start(service).await;
    }
    let id = server["facts"][0]["data"]["id"].as_str().unwrap();
    let place = platform.api.until(&format!("/v1/servers/id:{id}"), |status, _| status == 200).await;
    assert_eq!(place["mounts"][0]["path"], "/acme/shop");
    platform.api.accept("node.create", json!({ "path": "/acme/labs" })).await;
    platform.api.settled().await;
    for service in SERVICES {
        let text = platform.asking(service).text("/metrics").await.unwrap();
        for line in metrics(service) {
            assert!(text.contains(line), "`{line}` is not among the metrics of `{service}`:\n{text}");
        }
    }
    platform.verify();
    for service in ["api", "opentsdb", "redis", "zookeeper", "mysql", "decider"] {
        platform.stop(service);
    }
}

/// Topics and tables: what is planned is what is done, and done once.
fn prepare(platform: &Platform) {
    let topics = ["commands", "dead", "facts", "outcomes", "samples", "task-logs"].map(|name| format!("{}loki.{name}", platform.prefix));
    let told = |verb: &str| topics.each_ref().map(|topic| format!("{verb} {topic}"));
    let lines = |output: String| {
        let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(platform.expect(&["topics", "plan"])), told("would create"));
    assert_eq!(lines(platform.expect(&["topics", "apply"])), told("created"));
    for command in ["plan", "apply"] {
        assert_eq!(platform.expect(&["topics", command]), "the topics are as declared\n");
    }
    assert!(platform.expect(&["migrate"]).starts_with("applied "));
    assert_eq!(platform.expect(&["migrate"]), "the schema is up to date\n");
}

/// Nobody ends and nobody has to be started again; each says what it waits for, and what to do.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_before_the_topics_waits_for_them() {
    let backends = Backends::shared();
    let mut platform = Platform::bare(&backends).await;
    platform.expect(&["migrate"]);
    for service in SERVICES {
        platform.spawn(service, service);
    }
    for service in SERVICES {
        let says = |status: u16, answer: &Value| status == 503 && answer.to_string().contains("loki topics apply");
        platform.asking(service).until("/readyz", says).await;
    }
    platform.expect(&["topics", "apply"]);
    for service in SERVICES {
        platform.ready(service).await;
    }
    platform.api.accept("node.create", json!({ "path": "/late" })).await;
    platform.api.settled().await;
    platform.verify();
}

/// A difference that can never be removed in place is told, by the exit code too, and nothing is changed.
#[tokio::test(flavor = "multi_thread")]
async fn topics_that_cannot_become_as_declared_are_refused() {
    let backends = Backends::shared();
    let platform = Platform::bare(&backends).await;
    let log = KafkaLog::connect(Config::new(&backends.kafka)).unwrap();
    let mut specs: Vec<_> = loki_log::declared(&platform.prefix).into_iter().map(|declared| declared.spec).collect();
    for spec in &mut specs {
        (spec.replication, spec.min_insync_replicas) = (1, 1);
        if spec.name.ends_with("commands") {
            spec.partitions = 3;
        }
    }
    log.reconcile_topics(&specs, true).await.unwrap();
    let commands = Topic::new(format!("{}loki.commands", platform.prefix));
    for command in ["plan", "apply", "plan"] {
        let output = platform.loki(&["topics", command]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with(&format!("cannot change {commands}: partitions is 3, declared 1: ")) && said.lines().count() == 1,
            "{said}"
        );
    }
}
