//! What the chart asks a cluster: are the secrets there? A few lines of HTTP play the API server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::render::{NAMESPACE, RELEASE, helm, repository};

/// Answers until the test process ends; its address.
fn api_server(secrets: &[(&'static str, &[&'static str])]) -> String {
    let secrets: BTreeMap<String, Value> = secrets
        .iter()
        .map(|(name, keys)| {
            let data: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), json!("eA=="))).collect();
            (
                (*name).to_owned(),
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": NAMESPACE }, "data": data }),
            )
        })
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // helm may go away in the middle of a request, which is its business
            let _closed = serve(stream, &secrets);
        }
    });
    address
}

fn serve(mut stream: TcpStream, secrets: &BTreeMap<String, Value>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let (status, body) = match answer(path, secrets) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 })),
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn answer(path: &str, secrets: &BTreeMap<String, Value>) -> Option<Value> {
    let resources = |version: &str, resources: &[(&str, &str)]| {
        let resources: Vec<_> = resources
            .iter()
            .map(|(name, kind)| json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list", "create"] }))
            .collect();
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources })
    };
    let group = |name: &str| {
        let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
        json!({ "name": name, "versions": [version], "preferredVersion": version })
    };
    let groups = ["apps", "batch", "policy"].map(group);
    let in_namespace = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    Some(match path {
        "/version" => json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.0" }),
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }),
        "/api/v1" => resources(
            "v1",
            &[
                ("secrets", "Secret"),
                ("configmaps", "ConfigMap"),
                ("services", "Service"),
                ("serviceaccounts", "ServiceAccount"),
                ("pods", "Pod"),
            ],
        ),
        "/apis/apps/v1" => resources("apps/v1", &[("deployments", "Deployment")]),
        "/apis/batch/v1" => resources("batch/v1", &[("jobs", "Job")]),
        "/apis/policy/v1" => resources("policy/v1", &[("poddisruptionbudgets", "PodDisruptionBudget")]),
        path if path == in_namespace => {
            json!({ "kind": "SecretList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [] })
        }
        path => secrets.get(path.strip_prefix(&in_namespace)?.trim_start_matches('/'))?.clone(),
    })
}

/// What `helm install` prints, or why it refuses, with a cluster that has these secrets.
fn install(secrets: &[(&'static str, &[&'static str])], more: &[&str]) -> Result<String, String> {
    let (server, chart) = (api_server(secrets), repository("helm/loki-ops"));
    let arguments =
        ["install", RELEASE, chart.to_str().unwrap(), "--namespace", NAMESPACE, "--dry-run=server", "--disable-openapi-validation"];
    let output = helm(&[&arguments[..], &["--kube-apiserver", server.as_str()], more].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

const SECRETS: [(&str, &[&str]); 3] = [("loki-ops-mysql", &["url"]), ("loki-ops-redis", &["url"]), ("loki-ops-api", &["token"])];

#[test]
fn with_its_secrets_it_installs_and_says_what_is_still_a_default() {
    let said = install(&SECRETS, &[]).unwrap();
    let (_, notes) = said.split_once("NOTES:").unwrap();
    for part in [
        "kafka:9092   <- the default",
        "zookeeper:2181   <- the default",
        "http://opentsdb:4242   <- the default",
        "`cdn_system` beside it",
        "loki-ops-redis",
        "no image is published",
        "loki-ops-mysql",
        "helm -n ops test loki-ops",
    ] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    assert!(!notes.contains("telnet"), "{notes}");
    let addresses = "kafka.brokers=k:1,zookeeper.servers=z:1,opentsdb.addresses=http://t:1,image.repository=r/loki";
    let set = ["--set", addresses, "--set", "decider.replicas=1,topics.enabled=false,api.telnet.enabled=true"];
    let said = install(&SECRETS, &set).unwrap();
    let (_, notes) = said.split_once("NOTES:").unwrap();
    assert!(!notes.contains("<- the default"), "{notes}");
    for part in ["no stand-by", "loki topics apply", "loki-ops-telnet:4242. The protocol knows no token"] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
}

#[test]
fn without_its_secrets_it_refuses_and_names_all_of_them() {
    let refusal = install(&[], &[]).unwrap_err();
    for part in [
        "namespace `ops`",
        "secret `loki-ops-mysql`, key `url`",
        "secret `loki-ops-redis`, key `url`: `redis://",
        "secret `loki-ops-api`, key `token`",
        "kubectl -n ops create secret",
    ] {
        assert!(refusal.contains(part), "{part} in {refusal}");
    }
    assert_eq!(refusal.matches("loki-ops-mysql").count(), 1, "each is named once: {refusal}");
}

#[test]
fn a_missing_key_is_named() {
    let refusal = install(&[SECRETS[0], SECRETS[1], ("loki-ops-api", &["password"])], &[]).unwrap_err();
    assert!(refusal.contains("secret `loki-ops-api`, key `token`") && !refusal.contains("loki-ops-mysql"), "{refusal}");
    let set = "kafka.existingSecret=k,mysql.readerSecretKey=reader,cdnSystem.existingSecret=c,cdnSystem.migrateSecretKey=owner";
    let refusal = install(&SECRETS, &["--set", set]).unwrap_err();
    for (secret, key) in [("k", "options"), ("loki-ops-mysql", "reader"), ("c", "url"), ("c", "owner")] {
        assert!(refusal.contains(&format!("secret `{secret}`, key `{key}`")), "{secret}/{key} in {refusal}");
    }
}

#[test]
fn the_check_can_be_switched_off() {
    install(&[], &["--set", "checkSecrets=false"]).unwrap();
}
