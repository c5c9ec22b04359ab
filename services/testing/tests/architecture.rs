//! The edges between crates that are allowed, from `cargo metadata`; whatever is not listed here is not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use serde_json::Value;

/// Crates of production code and the crates of Loki that they may name.
const EDGES: [(&str, &[&str]); 23] = [
    ("loki-domain", &[]),
    ("loki-wire", &["loki-domain"]),
    ("loki-runtime", &[]),
    ("loki-log", &["loki-runtime"]),
    ("loki-telemetry", &["loki-runtime"]),
    ("loki-client", &["loki-runtime", "loki-telemetry"]),
    ("loki-agent", &["loki-client", "loki-domain", "loki-executor", "loki-runtime", "loki-telemetry"]),
    ("loki-executor", &["loki-domain", "loki-runtime", "loki-telemetry", "loki-wire"]),
    ("loki-intake", &["loki-domain", "loki-log", "loki-runtime", "loki-telemetry", "loki-wire"]),
    ("loki-prober", &["loki-client", "loki-domain", "loki-runtime", "loki-telemetry"]),
    ("loki-core", &["loki-domain"]),
    ("loki-decider", &["loki-core", "loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    ("loki-clock", &["loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    ("loki-runner", &["loki-domain", "loki-log", "loki-runtime", "loki-telemetry", "loki-wire"]),
    ("loki-mysql", &["loki-runner", "loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    ("loki-zookeeper", &["loki-runner", "loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    ("loki-redis", &["loki-runner", "loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    // knows no log, so that it can be read and tested for itself
    ("loki-series", &["loki-domain", "loki-runtime"]),
    ("loki-opentsdb", &["loki-runner", "loki-series", "loki-domain", "loki-wire", "loki-log", "loki-runtime", "loki-telemetry"]),
    ("loki-artifacts", &["loki-domain", "loki-runtime"]),
    // the readers of all stores, and from the runner only the words for a store's position
    (
        "loki-api",
        &[
            "loki-artifacts",
            "loki-domain",
            "loki-intake",
            "loki-log",
            "loki-mysql",
            "loki-opentsdb",
            "loki-redis",
            "loki-runner",
            "loki-runtime",
            "loki-telemetry",
            "loki-wire",
            "loki-zookeeper",
        ],
    ),
    // makes keys, and signs as what it sends is signed
    ("loki-cli", &["loki-client", "loki-domain", "loki-runtime", "loki-wire"]),
    (
        "loki",
        &[
            "loki-agent",
            "loki-api",
            "loki-artifacts",
            "loki-cli",
            "loki-clock",
            "loki-decider",
            "loki-domain",
            "loki-executor",
            "loki-intake",
            "loki-log",
            "loki-mysql",
            "loki-opentsdb",
            "loki-prober",
            "loki-redis",
            "loki-runner",
            "loki-runtime",
            "loki-series",
            "loki-telemetry",
            "loki-wire",
            "loki-zookeeper",
        ],
    ),
];

/// Deciding depends on nothing that could make it decide otherwise the next time.
const PURE: [&str; 2] = ["loki-domain", "loki-core"];
const IMPURE: [&str; 14] = [
    "tokio",
    "serde",
    "serde_json",
    "rdkafka",
    "sqlx",
    "sqlx-core",
    "rand",
    "rand_core",
    "getrandom",
    "time",
    "chrono",
    "jiff",
    "reqwest",
    "uuid",
];

#[test]
fn crates_depend_only_on_what_is_allowed() {
    let metadata = Metadata::read();
    let members: BTreeSet<&str> = metadata.members().filter(|name| !TESTING.contains(name)).collect();
    assert_eq!(members, EDGES.iter().map(|(name, _)| *name).collect(), "a new crate needs its edges here");
    for (name, allowed) in EDGES {
        for edge in metadata.named(name).into_iter().filter(|edge| members.contains(edge.as_str()) || TESTING.contains(&edge.as_str())) {
            assert!(allowed.contains(&edge.as_str()), "`{name}` must not depend on `{edge}`");
        }
    }
}

/// Never dependencies of production code.
const TESTING: [&str; 4] = ["loki-testing", "loki-bench", "loki-fuzz", "loki-simulate"];

#[test]
fn what_decides_is_pure() {
    let metadata = Metadata::read();
    for name in PURE {
        let tree = metadata.tree(name);
        assert!(tree.contains("loki-domain"), "the tree of `{name}` was not read: {tree:?}");
        for impure in IMPURE {
            assert!(!tree.contains(impure), "`{name}` must not have `{impure}` in its tree");
        }
    }
    assert!(metadata.tree("loki-decider").contains("tokio"), "a tree that must hold `tokio` was read without it");
}

struct Metadata(Value);

impl Metadata {
    fn read() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        // a machine that has only built Loki has the packages of its own platform and no others
        let version = Command::new(&cargo).arg("-vV").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo says what it runs on");
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", platform])
            .args(["--manifest-path", manifest])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.0["packages"].as_array().into_iter().flatten()
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        self.packages().filter(|package| package["source"].is_null()).filter_map(|package| package["name"].as_str())
    }

    /// The dependencies that a crate's manifest names, without those of its tests.
    fn named(&self, name: &str) -> BTreeSet<String> {
        let package = self.packages().find(|package| package["name"] == name).unwrap();
        let edges = package["dependencies"].as_array().into_iter().flatten().filter(|edge| edge["kind"] != "dev");
        edges.filter_map(|edge| edge["name"].as_str().map(str::to_owned)).collect()
    }

    /// Everything that is compiled into a crate, its own name included; not what only tests or build scripts need.
    fn tree(&self, name: &str) -> BTreeSet<String> {
        let names: BTreeMap<&str, &str> =
            self.packages().filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?))).collect();
        let nodes: BTreeMap<&str, &Value> =
            (self.0["resolve"]["nodes"].as_array().into_iter().flatten()).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
        let start = *names.iter().find(|(_, found)| **found == name).unwrap().0;
        let (mut seen, mut open) = (BTreeSet::from([start]), VecDeque::from([start]));
        while let Some(id) = open.pop_front() {
            for edge in nodes[id]["deps"].as_array().into_iter().flatten() {
                let normal = edge["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()));
                if let Some(next) = edge["pkg"].as_str().filter(|next| normal && !seen.contains(next)) {
                    seen.insert(next);
                    open.push_back(next);
                }
            }
        }
        seen.into_iter().map(|id| names[id].to_owned()).collect()
    }
}
