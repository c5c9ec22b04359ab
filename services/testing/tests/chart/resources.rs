//! Names, labels and selectors: what belongs together finds itself, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::manifest::{Manifest, find, of, pods, texts};
use crate::render::{NAMESPACE, RELEASE, render, render_as, variant, variants};
use crate::settings::file;

pub(crate) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[test]
fn every_object_is_named_once_and_labelled() {
    for (variant, manifests) in variants() {
        let mut names = BTreeSet::new();
        for manifest in manifests {
            let what = format!("{variant}: {}", manifest.title());
            assert!(names.insert(manifest.title()), "{what} is there twice");
            assert_eq!(*manifest.at("/metadata/namespace"), NAMESPACE, "{what}");
            assert!(manifest.name().len() <= 63 && manifest.name().starts_with(RELEASE), "{what}");
            let labels = texts(manifest.at("/metadata/labels"));
            for label in ["name", "instance", "component", "version", "part-of", "managed-by"] {
                assert!(labels.contains_key(&format!("app.kubernetes.io/{label}")), "{what}: {label}");
            }
            assert!(labels.values().all(|value| value.len() <= 63), "{what}: {labels:?}");
        }
    }
}

#[test]
fn each_deployment_selects_its_own_pods_only() {
    for (variant, manifests) in variants() {
        for deployment in of(manifests, "Deployment").chain(of(manifests, "DaemonSet")) {
            let selector = texts(deployment.at("/spec/selector/matchLabels"));
            let selected: Vec<_> = pods(manifests).filter(|pod| selects(&selector, &pod.labels)).map(|pod| pod.owner).collect();
            assert_eq!(selected, [deployment.title()], "{variant}");
            // a selector can never change, these do
            assert!(!selector.keys().any(|key| key.ends_with("/version") || key.ends_with("/chart")), "{variant}: {selector:?}");
        }
    }
}

#[test]
fn a_budget_is_there_where_there_are_replicas_to_keep() {
    let mut budgets = 0;
    for (variant, manifests) in variants() {
        for deployment in of(manifests, "Deployment") {
            let labels = deployment.pod().unwrap().labels;
            let matching: Vec<_> = of(manifests, "PodDisruptionBudget")
                .filter(|budget| selects(&texts(budget.at("/spec/selector/matchLabels")), &labels))
                .collect();
            let wanted = usize::from(deployment.at("/spec/replicas").as_u64().unwrap() > 1);
            assert_eq!(matching.len(), wanted, "{variant}: {}", deployment.title());
            assert!(matching.iter().all(|budget| *budget.at("/spec/maxUnavailable") == 1), "{variant}");
            budgets += wanted;
        }
        let expected = of(manifests, "Deployment").filter(|deployment| deployment.at("/spec/replicas").as_u64().unwrap() > 1).count();
        assert_eq!(of(manifests, "PodDisruptionBudget").count(), expected, "{variant}");
    }
    assert!(budgets > 4, "{budgets}");
}

#[test]
fn the_services_lead_to_the_api() {
    for (variant, manifests) in variants() {
        let services: Vec<_> = of(manifests, "Service").collect();
        let targets: Vec<_> = services.iter().map(|service| service.at("/spec/ports/0/targetPort")).collect();
        let wanted = if variant == "cell" { &["http", "telnet"][..] } else { &["http"] };
        assert_eq!(targets, wanted, "{variant}: telnet, which knows no token, only where it is asked for");
        for (index, service) in services.iter().enumerate() {
            let selector = texts(service.at("/spec/selector"));
            let selected: Vec<_> = pods(manifests).filter(|pod| selects(&selector, &pod.labels)).collect();
            assert_eq!(selected.len(), 1, "{variant}");
            assert_eq!(selected[0].component(), "api", "{variant}");
            assert_eq!(selected[0].container()["ports"][index]["name"], *targets[index], "{variant}");
            assert_eq!(service.at("/spec/ports").as_array().unwrap().len(), 1, "{variant}");
        }
    }
    let shape = |name: &str| {
        let service = find(variant("cell"), "Service", name);
        (service.at("/spec/type").as_str().unwrap(), service.at("/spec/ports/0/port").as_u64().unwrap())
    };
    let names = of(variant("cell"), "Service").map(Manifest::name).collect::<Vec<_>>();
    assert_eq!([shape(names[0]), shape(names[1])], [("LoadBalancer", 80), ("NodePort", 4243)]);
}

/// Two of one vantage would date different answers alike.
#[test]
fn there_is_never_a_second_prober() {
    for (variant, manifests) in variants() {
        let prober = of(manifests, "Deployment").find(|manifest| manifest.pod().unwrap().component() == "prober").unwrap();
        assert_eq!(*prober.at("/spec/strategy"), json!({ "type": "Recreate" }), "{variant}");
        assert_eq!(*prober.at("/spec/replicas"), u64::from(variant != "small"), "{variant}");
    }
    let error = render(&["--set", "prober.replicas=2"]).unwrap_err();
    assert!(error.contains("/prober/replicas"), "{error}");
}

#[test]
fn agents_run_on_every_host_where_they_are_wanted() {
    for (variant, manifests) in variants() {
        let agents: Vec<_> = of(manifests, "DaemonSet").map(|manifest| manifest.pod().unwrap()).collect();
        assert_eq!(agents.len(), usize::from(["cell", "secured"].contains(&variant.as_str())), "{variant}: off by default");
        for agent in agents {
            assert_eq!(agent.arguments(), ["agent"], "{variant}");
            assert_eq!(agent.variables()["LOKI__AGENT__SERVER"], Ok("spec.nodeName"), "{variant}: no pod's name");
            // or the API's Service has no name there
            assert_eq!(agent.spec["dnsPolicy"], "ClusterFirstWithHostNet", "{variant}");
            assert_eq!(agent.spec["tolerations"], json!([{ "operator": "Exists", "effect": "NoSchedule" }]), "{variant}");
        }
    }
}

/// A spool that outgrows its volume would cost the pod, and the spool with it.
#[test]
fn the_agents_spool_has_room() {
    for name in ["cell", "secured"] {
        let agent = pods(variant(name)).find(|pod| pod.component() == "agent").unwrap();
        let settings = file(find(variant(name), "ConfigMap", agent.settings()));
        let mebibytes = |text: &str, unit: &str| text.strip_suffix(unit).unwrap().parse::<u64>().unwrap();
        let spool = mebibytes(settings["agent"]["spool_max"].as_str().unwrap(), "MiB");
        let folder = settings["data_dir"].as_str().unwrap();
        let mounts = agent.container()["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| folder.starts_with(mount["mountPath"].as_str().unwrap())).unwrap();
        let volume = agent.spec["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let room = mebibytes(volume["emptyDir"]["sizeLimit"].as_str().unwrap(), "Mi");
        assert!(room > spool && [64, 256].contains(&spool), "{name}: {spool} MiB in {room}");
    }
}

#[test]
fn replicas_are_spread_unless_told_otherwise() {
    for deployment in of(variant("defaults"), "Deployment") {
        let spread = deployment.at("/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels");
        assert_eq!(spread, deployment.at("/spec/selector/matchLabels"));
    }
    assert!(of(variant("small"), "Deployment").all(|deployment| deployment.at("/spec/template/spec/topologySpreadConstraints").is_null()));
}

#[test]
fn placement_reaches_the_pods_that_it_is_for() {
    let placed = |manifest: &Manifest| !manifest.at("/spec/template/spec/nodeSelector").is_null();
    let names: Vec<_> = variant("secured").iter().filter(|manifest| placed(manifest)).map(Manifest::title).collect();
    assert_eq!(names, ["DaemonSet/loki-ops-agent", "Deployment/loki-ops-decider"]);
    let spec = find(variant("secured"), "Deployment", "loki-ops-decider").at("/spec/template/spec");
    assert!(spec["tolerations"].is_array() && spec["affinity"]["nodeAffinity"].is_object());
    assert!(pods(variant("secured")).all(|pod| pod.spec["priorityClassName"] == "platform" && pod.labels["acme.example/tier"] == "ops"));
}

#[test]
fn labels_of_ours_are_not_replaced() {
    let manifests = render(&["--set", "podLabels.app\\.kubernetes\\.io/component=x,podLabels.own=y"]).unwrap();
    let components: BTreeSet<_> = pods(&manifests).map(|pod| pod.component().to_owned()).collect();
    assert_eq!(components.len(), 11, "{components:?}");
    assert!(pods(&manifests).all(|pod| pod.labels["own"] == "y"));
}

#[test]
fn releases_side_by_side_share_no_name() {
    let names = |release: &str| -> BTreeSet<_> { render_as(release, &[]).unwrap().iter().map(Manifest::title).collect() };
    assert!(names("east").is_disjoint(&names("west")));
    for long in names("a-release-with-a-name-that-is-as-long-as-helm-permits") {
        assert!(long.split_once('/').unwrap().1.len() <= 63, "{long}");
    }
}
