//! Twenty hosts, each an agent with a root of its own and a service at an address of its own, 127.0.0.1 to 127.0.0.20.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use loki_testing::child;
use loki_testing::port::free_address;
use loki_testing::real::{Running, ZooKeeper};
use loki_wire::signature::Secret;
use serde_json::{Value, json};

use crate::api::PATIENCE;
use crate::platform::{Backends, Platform, SERVICES};

pub(crate) const HOSTS: usize = 20;
/// A host on which version 2 starts and is never well: in the third of the batches 1, 5, 10, 4.
pub(crate) const SICK: &str = "h13";

/// Says its version at its address, once it has counted its own start.
const SERVICE: &str = r#"
use strict; use warnings; use IO::Socket::INET;
my ($address, $port, $shared) = @ARGV;
open(my $file, '<', 'version') or die; my $version = <$file>;
my $listener = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 16, ReuseAddr => 1) or die "$address:$port: $!";
open(my $count, '>>', "$shared/count") or die; print $count "$version\n"; close $count;
while (my $client = $listener->accept) {
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my $status = $version eq '2' && -e "$shared/sick" ? '503 Service Unavailable' : '200 OK';
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($version) . "\r\nConnection: close\r\n\r\n$version";
    close $client;
}
"#;

/// A step goes on once its file `hold-…` is gone; each hook writes down that it has run.
fn manifest(port: u16) -> Value {
    let held = |step: &str| format!("while [ -e \"$LOKI_SHARED_DIR/hold-{step}\" ]; do sleep 0.05; done");
    let noted = |step: &str, what: &str| format!("echo {step} $LOKI_VERSION | tee -a \"$LOKI_SHARED_DIR/log\"; {what} {}", held(step));
    let address = "host=${LOKI_SHARED_DIR%/deploys/*}; host=${host##*/h}; host=127.0.0.${host#0};";
    let stop = "pid=$(cat \"$LOKI_SHARED_DIR/pid\"); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.02; done;";
    let start = format!("{address} perl serve.pl $host {port} \"$LOKI_SHARED_DIR\" >/dev/null 2>&1 & echo $! >\"$LOKI_SHARED_DIR/pid\";");
    let check = format!("{address} test ! -e \"$LOKI_SHARED_DIR/hold-health\" && curl -fsS -m 2 http://$host:{port}/");
    json!({
        "hooks": { "prepare": held("prepare"), "stop": noted("stop", stop), "start": noted("start", &start), "test": noted("test", "") },
        "health": { "check": { "type": "command", "command": check }, "stays_ms": 200, "within_ms": 10_000 },
    })
}

pub(crate) struct Fleet {
    pub(crate) platform: Platform,
    /// Its own: it is restarted.
    pub(crate) zookeeper: Running,
    port: u16,
}

pub(crate) fn name(number: usize) -> String {
    format!("h{number:02}")
}

pub(crate) fn names() -> impl Iterator<Item = String> {
    (1..=HOSTS).map(name)
}

impl Fleet {
    pub(crate) async fn start() -> Self {
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
        for host in names() {
            platform.api.accept("server.register", json!({ "name": host, "state": "online" })).await;
            platform.api.accept("server.mount", json!({ "server": host, "node": "/acme/shop" })).await;
        }
        let token = platform.home().join("owner.token").display().to_string();
        platform.expect(&["admin", "token", "create", "owner", "--for", "deploy", "--for", "script", "--for", "grant", "--out", &token]);
        platform.set("LOKI_TOKEN_FILE", token);
        platform.api.settled().await;
        let mut fleet = Self { platform, zookeeper, port: free_address().port() };
        for host in names() {
            fleet.start_agent(&host);
        }
        fleet
    }

    pub(crate) fn start_agent(&mut self, host: &str) {
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
    pub(crate) async fn until_bell(&self, host: &str, wanted: Option<f64>) -> Option<f64> {
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

    /// A file of the service of a host that outlasts its releases.
    pub(crate) fn shared(&self, host: &str, file: &str) -> PathBuf {
        self.root(host).join("deploys/web/shared").join(file)
    }

    pub(crate) fn push(&self, version: &str) {
        let home = self.platform.home();
        let (archive, manifest) = (home.join(format!("{version}.tar.gz")), home.join("web.json"));
        std::fs::write(&manifest, self::manifest(self.port).to_string()).unwrap();
        pack(&home.join(format!("release-{version}")), version, &archive);
        let (archive, manifest) = (archive.display().to_string(), manifest.display().to_string());
        self.platform.expect(&["package", "push", "web", version, &archive, "--manifest", &manifest]);
    }

    /// The version that each host's service says that it is.
    pub(crate) async fn serve(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for number in 1..=HOSTS {
            let answer = reqwest::get(format!("http://127.0.0.{number}:{}/", self.port)).await;
            versions.push(match answer {
                Ok(answer) => answer.text().await.unwrap_or_else(|error| error.to_string()),
                Err(error) => error.to_string(),
            });
        }
        versions
    }

    /// The lines of such a file.
    pub(crate) fn lines(&self, host: &str, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.shared(host, file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn deploy(&self, version: &str, more: &[&str]) -> Output {
        let arguments =
            ["deploy", "start", "/acme/shop", "--package", "web", "--version", version, "--batches", "1 25% *2", "--pause", "0s"];
        self.platform.loki(&[&arguments, more].concat())
    }

    /// What a host has printed in a run, once it is done.
    pub(crate) fn printed(&self, run: &str, host: &str) -> String {
        self.platform.expect(&["deploy", "log", run, host, "--follow", "--quiet"])
    }

    pub(crate) async fn run(&self, run: &str) -> Value {
        self.platform.api.until(&format!("/v1/runs/{run}"), |status, _| status == 200).await
    }

    /// Waits until a host says that it is at a step of its task in a run.
    pub(crate) async fn until_step(&self, run: &str, host: &str, step: &str) {
        let is_there = |status, page: &Value| {
            let items = page["items"].as_array();
            status == 200 && items.is_some_and(|items| items.iter().any(|item| item["name"] == host && item["task"]["step"] == step))
        };
        self.platform.api.until(&format!("/v1/runs/{run}/tasks?limit=1000"), is_there).await;
    }
}

impl Drop for Fleet {
    /// The services outlive their agents, as they should, and would outlive the test.
    fn drop(&mut self) {
        for host in names() {
            if let Ok(id) = std::fs::read_to_string(self.shared(&host, "pid")) {
                let _gone = Command::new("kill").arg(id.trim()).stderr(Stdio::null()).status();
            }
        }
    }
}

fn pack(folder: &Path, version: &str, archive: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("version"), version).unwrap();
    std::fs::write(folder.join("serve.pl"), SERVICE).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).arg("-czf").arg(archive).args(["version", "serve.pl"]).stdin(Stdio::null());
    let packed = child::output(&mut tar, PATIENCE).unwrap();
    assert!(packed.status.success(), "{packed:?}");
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
