//! `values.yaml`, its schema, and the versions.

use serde_json::Value;

use crate::render::{render, text};

/// Where anything goes that Kubernetes takes, or that people name themselves.
fn is_free(schema: &Value) -> bool {
    schema.get("properties").is_none()
}

/// Both have the same keys at every level, and every level is closed.
fn compare(path: &str, values: &Value, schema: &Value) {
    if is_free(schema) {
        return;
    }
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "{path}");
    let properties = schema["properties"].as_object().unwrap();
    let values = values.as_object().unwrap_or_else(|| panic!("{path} is no map"));
    let known: Vec<_> = properties.keys().filter(|key| !path.is_empty() || *key != "global").collect();
    assert_eq!(values.keys().collect::<Vec<_>>(), known, "{path}");
    values.iter().for_each(|(key, value)| compare(&format!("{path}.{key}"), value, &properties[key]));
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let values: Value = serde_saphyr::from_str(&text("helm/loki-ops/values.yaml")).unwrap();
    compare("", &values, &serde_json::from_str(&text("helm/loki-ops/values.schema.json")).unwrap());
}

#[test]
fn what_is_wrong_is_refused_and_named() {
    let wrong = [
        ("kafka.broker=k:9092", "broker"),
        ("kafka.brokers=k", "/kafka/brokers"),
        ("kafka.brokers=", "/kafka/brokers"),
        ("decider.replicas=two", "/decider/replicas"),
        ("decider.replicas=-1", "/decider/replicas"),
        ("drainSeconds=0", "/drainSeconds"),
        ("listenHost=127.0.0.1", "/listenHost"),
        ("runAsUser=0", "/runAsUser"),
        ("topicPrefix=a/b", "/topicPrefix"),
        ("mysql.existingSecret=", "/mysql/existingSecret"),
        ("api.service.type=Ingress", "/api/service/type"),
        ("image.digest=abc", "/image/digest"),
        ("zookeeper.chroot=x", "/zookeeper/chroot"),
        ("redis.existingSecret=", "/redis/existingSecret"),
        ("redis.url=redis://x", "url"),
        ("opentsdb.addresses=opentsdb:4242", "/opentsdb/addresses"),
        ("opentsdb.addresses=http://loki:hunter2@opentsdb", "/opentsdb/addresses"),
        ("prober.replicas=2", "/prober/replicas"),
        ("agent.replicas=2", "replicas"),
        ("agent.port=80", "/agent/port"),
        ("settings.prober.controls={1}", "/settings/prober/controls"),
    ];
    for (value, place) in wrong {
        let error = render(&["--set", value]).unwrap_err();
        assert!(error.contains(place) && error.contains("schema"), "{value}: {error}");
    }
}

#[test]
fn the_chart_installs_this_version() {
    let chart: Value = serde_saphyr::from_str(&text("helm/loki-ops/Chart.yaml")).unwrap();
    let workspace: toml::Table = text("Cargo.toml").parse().unwrap();
    assert_eq!(chart["appVersion"].as_str(), workspace["workspace"]["package"]["version"].as_str());
}

#[test]
fn an_older_kubernetes_is_refused() {
    let error = render(&["--kube-version", "1.29"]).unwrap_err();
    assert!(error.contains("1.30"), "{error}");
}
