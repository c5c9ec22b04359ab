//! Deploys to twenty hosts on the real set, each an agent of its own: batches, a host that fails, the way back; and what is killed in their midst.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loki_testing::child;
use loki_testing::real::{Running, ZooKeeper};
use loki_wire::signature::Secret;
use serde_json::{Value, json};

use crate::api::PATIENCE;
use crate::platform::{Backends, Platform, SERVICES};

const HOSTS: usize = 20;
/// In the third of the batches 1, 5, 10, 4.
const SICK: &str = "h13";

/// Each start and stop is written down; the host that is sick is so for version 2 alone.
const MANIFEST: &str = r#"{
    "hooks": {
        "stop": "echo stop $LOKI_VERSION | tee -a $LOKI_SHARED_DIR/log",
        "start": "echo start $LOKI_VERSION | tee -a $LOKI_SHARED_DIR/log; sleep 0.3; echo up"
    },
    "health": {
        "check": { "type": "command", "command": "test $LOKI_VERSION != 2 || test ! -e $LOKI_SHARED_DIR/sick" },
        "stays_ms": 200, "within_ms": 2000
    }
}"#;

struct Fleet {
    platform: Platform,
    /// Its own: it is restarted.
    zookeeper: Running,
}

fn name(number: usize) -> String {
    format!("h{number:02}")
}

impl Fleet {
    async fn start() -> Self {
        let zookeeper = tokio::task::block_in_place(|| Running::start(&ZooKeeper).unwrap());
        let mut platform = Platform::prepared(&Backends { zookeeper: zookeeper.address(), ..Backends::shared() }).await;
        let secret = Secret::random().unwrap();
        platform.set("LOKI__DECIDER__SIGNING_KEY", secret.reveal());
        platform.set("LOKI__AGENT__TASK_KEYS", format!("[\"{}\"]", secret.public()));
        platform.set("LOKI__ARTIFACTS__URL", format!("file://{}", platform.home().join("artifacts").display()));
        for service in SERVICES.into_iter().chain(["clock"]) {
            platform.spawn(service, service);
        }
        for service in SERVICES.into_iter().chain(["clock"]) {
            platform.ready(service).await;
        }
        platform.api.accept("node.create", json!({ "path": "/acme/shop", "parents": true })).await;
        for number in 1..=HOSTS {
            platform.api.accept("server.register", json!({ "name": name(number), "state": "online" })).await;
            platform.api.accept("server.mount", json!({ "server": name(number), "node": "/acme/shop" })).await;
        }
        let token = platform.home().join("owner.token").display().to_string();
        platform.expect(&["admin", "token", "create", "owner", "--for", "deploy", "--for", "script", "--for", "grant", "--out", &token]);
        platform.set("LOKI_TOKEN_FILE", token);
        platform.api.settled().await;
        let mut fleet = Self { platform, zookeeper };
        for number in 1..=HOSTS {
            fleet.start_agent(&name(number));
        }
        fleet
    }

    fn start_agent(&mut self, host: &str) {
        let api = self.platform.home().join("api.address");
        let api = format!("http://{}", std::fs::read_to_string(api).unwrap());
        self.platform.set("LOKI__AGENT__API", api);
        self.platform.set("LOKI__AGENT__SERVER", host.to_owned());
        // every other host by its bell
        let by = if host.ends_with(['1', '3', '5', '7', '9']) { "zookeeper" } else { "long_poll" };
        self.platform.set("LOKI__AGENT__TASKS_BY", by.to_owned());
        self.platform.set("LOKI__DATA_DIR", self.root(host).display().to_string());
        self.platform.spawn(host, "agent");
    }

    /// Whether an agent listens to its bell, once it is as it should be.
    async fn until_bell(&self, host: &str, wanted: Option<f64>) -> Option<f64> {
        let watch = Instant::now();
        loop {
            let is = self.platform.metric(host, "lokiops_agent_bell", "").await;
            if is == wanted || watch.elapsed() > PATIENCE {
                return is;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn root(&self, host: &str) -> PathBuf {
        self.platform.home().join("hosts").join(host)
    }

    fn web(&self, host: &str) -> PathBuf {
        self.root(host).join("deploys/web")
    }

    fn push(&self, version: &str) {
        let home = self.platform.home();
        let (archive, manifest) = (home.join(format!("{version}.tar.gz")), home.join("web.json"));
        std::fs::write(&manifest, MANIFEST).unwrap();
        pack(&home.join(format!("release-{version}")), version, &archive);
        let (archive, manifest) = (archive.display().to_string(), manifest.display().to_string());
        self.platform.expect(&["package", "push", "web", version, &archive, "--manifest", &manifest]);
    }

    /// The version that serves on each host.
    fn serve(&self) -> Vec<String> {
        let version = |number| std::fs::read_to_string(self.web(&name(number)).join("current/version")).unwrap_or_default();
        (1..=HOSTS).map(version).collect()
    }

    fn log(&self, host: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.web(host).join("shared/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn deploy(&self, version: &str, more: &[&str]) -> std::process::Output {
        let arguments =
            ["deploy", "start", "/acme/shop", "--package", "web", "--version", version, "--batches", "1 25% *2", "--pause", "0s"];
        self.platform.loki(&[&arguments, more].concat())
    }

    /// What a host has printed in a run, once it is done.
    fn printed(&self, run: &str, host: &str) -> String {
        self.platform.expect(&["deploy", "log", run, host, "--follow", "--quiet"])
    }

    async fn run(&self, run: &str) -> Value {
        self.platform.api.until(&format!("/v1/runs/{run}"), |status, _| status == 200).await
    }
}

fn pack(folder: &Path, version: &str, archive: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("version"), version).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).arg("-czf").arg(archive).arg("version").stdin(Stdio::null());
    let packed = child::output(&mut tar, PATIENCE).unwrap();
    assert!(packed.status.success(), "{packed:?}");
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_hosts_are_deployed_to_while_processes_are_killed_and_one_host_fails() {
    let mut fleet = Fleet::start().await;
    fleet.push("1");
    fleet.push("2");
    for (host, bell) in [("h01", Some(1.0)), ("h02", Some(0.0))] {
        assert_eq!(fleet.until_bell(host, bell).await, bell, "{host}");
    }
    let plan = fleet.platform.expect(&["deploy", "plan", "/acme/shop", "--batches", "1 25% *2"]);
    assert!(plan.starts_with("20 servers in 4 batches"), "{plan}");

    let first = fleet.deploy("1", &["--wait", "3m"]);
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(fleet.serve(), vec!["1"; HOSTS]);
    for number in 1..=HOSTS {
        assert_eq!(fleet.log(&name(number)), ["start 1"], "{}", name(number));
    }

    // version 2: in its midst ZooKeeper is restarted, the decider, the API, the clock and an agent are killed, and one host never becomes well
    std::fs::File::create(fleet.web(SICK).join("shared/sick")).unwrap().write_all(b"\n").unwrap();
    let started = fleet.deploy("2", &["-o", "json"]);
    assert!(started.status.success(), "{}", said(&started));
    let outcome: Value = serde_json::from_slice(&started.stdout).unwrap();
    let facts = outcome["facts"].as_array().unwrap();
    let run = facts.iter().find_map(|fact| fact["key"].as_str()?.strip_prefix("run/")).unwrap().to_owned();
    let watch = Instant::now();
    while fleet.run(&run).await["run"]["batch"] == 0 {
        assert!(watch.elapsed() < PATIENCE, "the first batch does not end");
    }
    tokio::task::block_in_place(|| fleet.zookeeper.restart().unwrap());
    for service in ["decider", "api", "clock"] {
        fleet.platform.kill(service);
        fleet.platform.spawn(service, service);
    }
    // of the second batch: it may be anywhere in its task
    fleet.platform.kill("h03");
    fleet.start_agent("h03");
    let watched = fleet.platform.loki(&["deploy", "watch", &run, "--wait", "3m"]);
    assert_eq!(watched.status.code(), Some(1), "{}", said(&watched));
    for number in 1..=16 {
        let host = name(number);
        // the sick one went back by itself; h03 was killed, and sent what it had printed all the same, once
        let expected = if host == SICK { "stop 1\nstart 2\nup\nstop 2\nstart 1\nup\n" } else { "stop 1\nstart 2\nup\n" };
        assert_eq!(fleet.printed(&run, &host), expected, "{host}");
    }
    let detail = fleet.run(&run).await;
    assert_eq!((&detail["run"]["state"], &detail["run"]["batch"]), (&json!("paused"), &json!(2)), "{}", said(&watched));
    assert_eq!((&detail["tasks"]["succeeded"], &detail["tasks"]["failed"]), (&json!(15), &json!(1)), "{detail}");
    let served = fleet.serve();
    for number in 1..=HOSTS {
        let expected = if number <= 16 && name(number) != SICK { "2" } else { "1" };
        assert_eq!(served[number - 1], expected, "{}", name(number));
    }

    // back: every host has the same release again, and each effect was had once
    let back = fleet.platform.loki(&["deploy", "rollback", &run, "--fast", "--wait", "3m"]);
    assert!(said(&back).contains("rolled_back"), "{}", said(&back));
    assert_eq!(fleet.serve(), vec!["1"; HOSTS]);
    for number in 1..=HOSTS {
        let log = fleet.log(&name(number));
        let expected: &[&str] = match number {
            17.. => &["start 1"],
            // the host itself went back, and the run's way back found it there
            13 => &["start 1", "stop 1", "start 2", "stop 2", "start 1"],
            _ => &["start 1", "stop 1", "start 2", "stop 2", "start 1"],
        };
        assert_eq!(log, expected, "{}", name(number));
    }
    fleet.platform.api.settled().await;
    fleet.platform.verify();
}
