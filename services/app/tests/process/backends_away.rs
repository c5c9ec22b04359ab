//! A service whose backends cannot be reached runs, is not ready, says why, and ends when told to.

use std::time::Duration;

use crate::loki::{Running, free_address, refusal, run};

async fn check(service: &str, named: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let (kafka, mysql, zookeeper) = (free_address(), format!("mysql://loki@{}/loki", free_address()), free_address());
    let settings = [
        ("LOKI__KAFKA__BROKERS", kafka.as_str()),
        ("LOKI__MYSQL__URL", mysql.as_str()),
        ("LOKI__ZOOKEEPER__SERVERS", zookeeper.as_str()),
        ("LOKI__DRAIN", "10s"),
    ];
    let mut loki = Running::start(home.path(), service, &settings);
    let report = loki
        .until("/readyz", |status, report| {
            let components = report["components"].as_object().cloned().unwrap_or_default();
            status == 503 && named.iter().all(|name| components.get(*name).is_some_and(|why| why != "starting" && why != "ready"))
        })
        .await;
    assert_eq!(report["ready"], false);
    assert_eq!(loki.get("/livez").await.map(|(status, _)| status), Some(200), "{service}");
    loki.terminate();
    let (status, took, said) = loki.ended().await;
    assert!(status.success(), "{service}: {status}\n{said}");
    assert!(took < Duration::from_secs(20), "{service} took {took:?}");
    assert!(said.contains("not ready"), "{said}");
}

#[tokio::test]
async fn decider() {
    check("decider", &["decider"]).await;
}

#[tokio::test]
async fn mysql() {
    check("mysql", &["mysql", "history", "task_logs", "cdn_system"]).await;
}

#[tokio::test]
async fn zookeeper() {
    check("zookeeper", &["zookeeper"]).await;
}

#[tokio::test]
async fn api() {
    check("api", &["api", "tree cache", "mysql reader", "history reader", "task_logs reader", "cdn_system reader", "tree reader"]).await;
}

/// What an operator needs to mend it: the setting, its value without the password, and that the embedded set needs none of it.
#[test]
fn migrate_and_topics_name_what_they_tried() {
    let home = tempfile::tempdir().unwrap();
    let (kafka, mysql) = (free_address(), free_address());
    let url = format!("mysql://loki:hunter2@{mysql}/loki");
    let tried = |command: &[&str], settings: &[(&str, &str)], named: &[&str]| {
        let line = refusal(&run(home.path(), command, settings), 1);
        assert!(named.iter().all(|part| line.contains(part)) && !line.contains("hunter2"), "{line}");
        line
    };
    let line = tried(&["migrate"], &[("LOKI__MYSQL__URL", &url)], &["`mysql.url`", &mysql, "LOKI__MYSQL__URL", "embedded"]);
    assert!(!line.contains("migrate_url"), "{line}");
    tried(&["migrate"], &[("LOKI__MYSQL__MIGRATE_URL", &url)], &["`mysql.migrate_url`", &mysql]);
    let output = run(home.path(), &["migrate"], &[("LOKI__MYSQL__MIGRATE_URL", "mysql://loki:hunter2@h")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("`mysql.migrate_url` names no database"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let line = tried(&["migrate"], &[("LOKI__MYSQL__URL", &url), ("LOKI__BACKENDS", "real")], &["`mysql.url`", &mysql]);
    assert!(!line.contains("embedded"), "{line}");
    tried(&["topics", "plan"], &[("LOKI__KAFKA__BROKERS", &kafka)], &["`kafka.brokers`", &kafka, "LOKI__KAFKA__BROKERS", "embedded"]);
}
