//! Pods: what they run, as whom, with which secrets, and how they start and stop.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::manifest::{Manifest, Pod, find, of, pods};
use crate::render::{variant, variants};
use crate::settings::file;

fn all() -> impl Iterator<Item = (&'static str, &'static [Manifest], Pod<'static>)> {
    variants().iter().flat_map(|(name, manifests)| pods(manifests).map(move |pod| (name.as_str(), manifests.as_slice(), pod)))
}

/// What runs for as long as the release is there.
fn services(manifests: &[Manifest]) -> impl Iterator<Item = &Manifest> {
    of(manifests, "Deployment").chain(of(manifests, "DaemonSet"))
}

#[test]
fn every_pod_meets_the_restricted_standard() {
    let mut seen = 0;
    for (variant, _, pod) in all() {
        let what = format!("{variant}: {}", pod.owner);
        assert_eq!(pod.spec["automountServiceAccountToken"], json!(false), "{what}");
        assert_eq!(pod.spec["securityContext"]["runAsNonRoot"], json!(true), "{what}");
        assert!(pod.spec["securityContext"]["runAsUser"].as_u64().unwrap() > 0, "{what}");
        assert_eq!(pod.spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{what}");
        // the agent measures its host, and has nothing else of it
        let on_host = (pod.component() == "agent").then_some(json!(true));
        for (shared, wanted) in [("hostNetwork", &on_host), ("hostPID", &on_host), ("hostIPC", &None)] {
            assert_eq!(pod.spec.get(shared), wanted.as_ref(), "{what}");
        }
        let folders = pod.spec["volumes"].as_array().unwrap().iter().filter_map(|volume| volume.pointer("/hostPath/path"));
        assert_eq!(folders.collect::<Vec<_>>(), on_host.iter().map(|_| "/etc/machine-id").collect::<Vec<_>>(), "{what}");
        let mounts = pod.container()["volumeMounts"].as_array().unwrap().iter().filter(|mount| mount["name"] == "machine-id");
        assert!(mounts.clone().all(|mount| mount["readOnly"] == json!(true)), "{what}");
        assert_eq!(mounts.count(), usize::from(on_host.is_some()), "{what}");
        assert_eq!(
            pod.container()["securityContext"],
            json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } }),
            "{what}"
        );
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn each_service_has_a_deployment_that_runs_its_subcommand() {
    for (variant, manifests) in variants() {
        let mut run: Vec<_> = of(manifests, "Deployment").map(|manifest| manifest.pod().unwrap().arguments().join(" ")).collect();
        run.sort();
        assert_eq!(run, ["api", "clock", "decider", "mysql", "opentsdb", "prober", "redis", "zookeeper"], "{variant}");
    }
    let mut others: Vec<_> =
        pods(variant("defaults")).filter(|pod| !pod.owner.starts_with("Deployment/")).map(|pod| pod.arguments()).collect();
    others.sort();
    assert_eq!(others, [vec!["migrate"], vec!["topics", "apply"], vec!["tree", "show", "--depth", "1"]]);
}

#[test]
fn every_pod_runs_the_one_image_and_its_version_is_said() {
    for (variant, manifests, pod) in all() {
        let image = pod.container()["image"].as_str().unwrap();
        assert_eq!(image, pods(manifests).next().unwrap().container()["image"], "{variant}: {}", pod.owner);
        assert!(!image.ends_with(":latest") && !image.ends_with(':') && image.contains([':', '@']), "{variant}: {image}");
    }
    let digest = "registry.acme.example/ops/loki@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(pods(variant("secured")).next().unwrap().container()["image"], digest);
}

#[test]
fn each_pod_is_given_the_secrets_that_it_needs_and_no_other() {
    let secrets = |name: &str| -> BTreeMap<String, Vec<String>> {
        pods(variant(name))
            .map(|pod| {
                let secrets = pod.variables().into_iter().filter_map(|(name, value)| Some((name, value.err()?)));
                (pod.component().to_owned(), secrets.map(|(name, (secret, key))| format!("{name}={secret}/{key}")).collect())
            })
            .collect()
    };
    let expected = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
        pairs
            .iter()
            .map(|(component, secrets)| ((*component).to_owned(), secrets.iter().map(|&secret| secret.to_owned()).collect()))
            .collect()
    };
    let (token, url) = ("LOKI__API__TOKEN=loki-ops-api/token", "LOKI__MYSQL__URL=loki-ops-mysql/url");
    let redis = "LOKI__REDIS__URL=loki-ops-redis/url";
    let defaults = [
        ("api", &[token, url, redis][..]),
        ("decider", &[]),
        ("clock", &[]),
        ("mysql", &[url]),
        ("zookeeper", &[]),
        ("redis", &[redis]),
        ("opentsdb", &[]),
        ("prober", &[token]),
        ("migrate", &[url]),
        ("topics", &[]),
        ("test", &[token]),
    ];
    assert_eq!(secrets("defaults"), expected(&defaults));
    let (kafka, zookeeper) = ("LOKI__KAFKA__OPTIONS=loki-kafka/librdkafka", "LOKI__ZOOKEEPER__AUTH=loki-zookeeper/auth");
    let redis = "LOKI__REDIS__URL=loki-redis/address";
    let secured = [
        (
            "api",
            &[
                token,
                "LOKI__ARTIFACTS__OPTIONS=loki-s3/options",
                "LOKI__CDN_SYSTEM__URL=loki-cdn-system/reader",
                kafka,
                "LOKI__MYSQL__URL=loki-mysql/reader",
                redis,
                zookeeper,
            ][..],
        ),
        ("decider", &["LOKI__DECIDER__SIGNING_KEY=loki-signing/key", kafka]),
        ("clock", &[kafka]),
        ("mysql", &["LOKI__CDN_SYSTEM__URL=loki-cdn-system/writer", kafka, "LOKI__MYSQL__URL=loki-mysql/writer"]),
        ("zookeeper", &[kafka, zookeeper]),
        ("redis", &[kafka, redis]),
        ("opentsdb", &[kafka]),
        ("prober", &[token]),
        ("agent", &[token]),
        ("migrate", &["LOKI__CDN_SYSTEM__URL=loki-cdn-system/owner", "LOKI__MYSQL__URL=loki-mysql/owner"]),
        ("topics", &[kafka]),
        ("test", &[token]),
    ];
    assert_eq!(secrets("secured"), expected(&secured));
}

#[test]
fn the_grace_period_is_longer_than_all_that_happens_in_it() {
    for (variant, manifests) in variants() {
        for manifest in services(manifests) {
            let pod = manifest.pod().unwrap();
            let drain =
                file(find(manifests, "ConfigMap", pod.settings()))["drain"].as_str().unwrap().trim_end_matches('s').parse::<i64>().unwrap();
            let pre_stop = pod.container().pointer("/lifecycle/preStop/sleep/seconds").map_or(0, |seconds| seconds.as_i64().unwrap());
            let grace = pod.spec["terminationGracePeriodSeconds"].as_i64().unwrap();
            assert!(grace >= pre_stop + drain + 10, "{variant}: {}: {grace}", pod.owner);
            assert!(pre_stop == 0 || pod.component() == "api", "only the API is asked by others: {variant}: {}", pod.owner);
        }
    }
    let grace = |name: &str, component: &str| {
        let pods = pods(variant(name)).find(|pod| pod.component() == component).unwrap();
        pods.spec["terminationGracePeriodSeconds"].as_i64().unwrap()
    };
    assert_eq!([grace("defaults", "api"), grace("defaults", "decider"), grace("small", "api"), grace("cell", "api")], [40, 35, 35, 110]);
}

#[test]
fn probes_ask_where_the_process_listens() {
    for (variant, manifests) in variants() {
        for manifest in services(manifests) {
            let pod = manifest.pod().unwrap();
            let what = format!("{variant}: {}", pod.owner);
            let file = file(find(manifests, "ConfigMap", pod.settings()));
            let variables = pod.variables();
            let listen = match variables.get("LOKI__API__LISTEN").or(variables.get("LOKI__TELEMETRY__LISTEN")) {
                Some(listen) => listen.unwrap().to_owned(),
                None => file["telemetry"]["listen"].as_str().unwrap().to_owned(),
            };
            let address: std::net::SocketAddr = listen.parse().unwrap();
            assert!(!address.ip().is_loopback(), "{what}: nobody could ask it");
            let http = json!({ "name": "http", "containerPort": address.port() });
            let telnet = variables.contains_key("LOKI__TELNET__OPEN").then(|| json!({ "name": "telnet", "containerPort": 4242 }));
            assert_eq!(pod.container()["ports"], Value::from_iter([http].into_iter().chain(telnet)), "{what}");
            // a store that is away must not take every pod of the API out of its Service
            let ready = if pod.component() == "api" { "/readyz?only=api" } else { "/readyz" };
            for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", ready)] {
                assert_eq!(pod.container()[probe]["httpGet"], json!({ "path": path, "port": "http" }), "{what}");
            }
        }
    }
}

#[test]
fn every_volume_that_is_mounted_is_there() {
    for (variant, manifests, pod) in all() {
        let what = format!("{variant}: {}", pod.owner);
        let volumes: Vec<_> = pod.spec["volumes"].as_array().unwrap().iter().map(|volume| volume["name"].as_str().unwrap()).collect();
        for mount in pod.container()["volumeMounts"].as_array().unwrap() {
            assert!(volumes.contains(&mount["name"].as_str().unwrap()), "{what}: {mount}");
        }
        assert_eq!(pod.variables()["LOKI_CONFIG"], Ok("/etc/loki/loki.toml"), "{what}");
        assert!(find(manifests, "ConfigMap", pod.settings()).at("/data/loki.toml").is_string(), "{what}");
    }
    let ca = pods(variant("secured")).filter(|pod| pod.container()["volumeMounts"].to_string().contains("/etc/ssl/company")).count();
    assert_eq!(ca, pods(variant("secured")).count());
}

#[test]
fn accounts_are_there_when_the_pod_is() {
    for (variant, manifests, pod) in all() {
        let Some(name) = pod.spec.get("serviceAccountName").and_then(|name| name.as_str()) else {
            assert!(pod.owner.starts_with("Job/"), "{variant}: {}", pod.owner);
            continue;
        };
        let made = of(manifests, "ServiceAccount").any(|account| account.name() == name);
        // jobs run before the account is made
        let usable = made && !pod.owner.starts_with("Job/");
        assert!(usable || name == "existing" || name == "default", "{variant}: {}: {name}", pod.owner);
    }
    for account in variants().iter().flat_map(|(_, manifests)| of(manifests, "ServiceAccount")) {
        assert_eq!(*account.at("/automountServiceAccountToken"), json!(false));
    }
}
