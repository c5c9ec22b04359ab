//! Hooks run before the release exists: what they need is a hook of a lower weight, or was there before.

use crate::manifest::{Manifest, find, of};
use crate::render::{variant, variants};
use crate::settings::file;

fn weight(manifest: &Manifest) -> i64 {
    manifest.annotation("helm.sh/hook-weight").unwrap().parse().unwrap()
}

#[test]
fn migrations_come_first_then_topics_each_with_its_settings_before_it() {
    let manifests = variant("defaults");
    let (migrate, topics) = (find(manifests, "Job", "loki-ops-migrate"), find(manifests, "Job", "loki-ops-topics"));
    assert!(weight(migrate) < weight(topics));
    for (variant, manifests) in variants() {
        for job in of(manifests, "Job") {
            let what = format!("{variant}: {}", job.title());
            assert_eq!(job.hook(), Some("pre-install,pre-upgrade"), "{what}");
            let pod = job.pod().unwrap();
            let settings = find(manifests, "ConfigMap", pod.settings());
            assert_eq!(settings.hook(), job.hook(), "{what}");
            assert!(weight(settings) < weight(job), "{what}");
            // the same settings as the release's
            let release = of(manifests, "ConfigMap").find(|manifest| manifest.hook().is_none()).unwrap();
            assert_eq!(file(settings), file(release), "{what}");
        }
    }
}

#[test]
fn jobs_end() {
    for (variant, manifests) in variants() {
        for job in of(manifests, "Job") {
            let what = format!("{variant}: {}", job.title());
            assert!(job.at("/spec/backoffLimit").as_u64().unwrap() <= 20, "{what}");
            assert!(job.at("/spec/activeDeadlineSeconds").as_u64().unwrap() > 0, "{what}");
            assert_eq!(*job.at("/spec/template/spec/restartPolicy"), "Never", "{what}");
            // or the next upgrade would find it in the way
            assert_eq!(job.annotation("helm.sh/hook-delete-policy"), Some("before-hook-creation"), "{what}");
        }
    }
}

#[test]
fn the_hooks_settings_are_cleared_away() {
    for (_, manifests) in variants() {
        for settings in of(manifests, "ConfigMap").filter(|manifest| manifest.hook().is_some()) {
            assert_eq!(settings.annotation("helm.sh/hook-delete-policy"), Some("before-hook-creation,hook-succeeded"));
        }
    }
}

#[test]
fn what_is_switched_off_is_not_there() {
    let manifests = variant("small");
    assert_eq!(of(manifests, "Job").count(), 0);
    assert!(of(manifests, "ConfigMap").all(|manifest| manifest.hook().is_none()));
}

#[test]
fn the_test_is_one_and_asks_the_service() {
    for (variant, manifests) in variants() {
        let tests: Vec<_> = manifests.iter().filter(|manifest| manifest.hook() == Some("test")).collect();
        assert_eq!(tests.len(), 1, "{variant}");
        let pod = tests[0].pod().unwrap();
        let service = find(manifests, "Service", &tests[0].name().replace("-test", "-api"));
        let address = format!("http://{}:{}", service.name(), service.at("/spec/ports/0/port"));
        assert_eq!(pod.variables()["LOKI_API"], Ok(address.as_str()), "{variant}");
    }
}
