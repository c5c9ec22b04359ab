//! `deploy/ci/kcat.sh` on Kafka: what it sends is carried out by a decider that knows it by its signature alone.

#![allow(clippy::disallowed_methods, reason = "tests look at the clock")]

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loki_runtime::Clock;
use loki_testing::child;
use loki_testing::real::{shared, topic_prefix};
use loki_wire::envelope::{Envelope, write_time};
use loki_wire::signature::Secret;
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Topics of its own, and a decider that reads them.
struct Site {
    home: tempfile::TempDir,
    kafka: String,
    prefix: String,
    decider: Option<Child>,
}

impl Site {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut site = Self { home, kafka: shared().kafka.clone(), prefix: topic_prefix(), decider: None };
        let mut apply = site.loki(Command::new(env!("CARGO_BIN_EXE_loki")), &["topics", "apply"]);
        let applied = child::output(&mut apply, PATIENCE).unwrap();
        assert!(applied.status.success(), "{applied:?}");
        let mut decider = site.loki(child::bound(env!("CARGO_BIN_EXE_loki")).unwrap(), &["decider"]);
        decider.stderr(Stdio::null());
        site.decider = Some(child::spawn(decider).unwrap());
        site
    }

    fn loki(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env_clear().current_dir(self.home.path()).stdin(Stdio::null());
        command.env("LOKI__BACKENDS", "real").env("LOKI__KAFKA__BROKERS", &self.kafka).env("LOKI__KAFKA__REPLICATION", "1");
        command.env("LOKI__TOPIC_PREFIX", &self.prefix).env("LOKI__TELEMETRY__LISTEN", loki_testing::port::free_address().to_string());
        command
    }

    /// Appends a command as it is.
    fn send(&self, command: &str) {
        let mut kcat = Command::new("kcat");
        kcat.args(["-P", "-b", &self.kafka, "-t", &format!("{}loki.commands", self.prefix)]).stdin(Stdio::piped());
        let mut kcat = kcat.spawn().expect("kcat is installed by `services/testing/stack/install.sh`");
        kcat.stdin.take().unwrap().write_all(format!("{command}\n").as_bytes()).unwrap();
        assert!(kcat.wait().unwrap().success());
    }

    fn send_plain(&self, kind: &str, data: &Value) {
        self.send(&json!({ "type": kind, "data": data }).to_string());
    }

    /// The same, signed with the secret of a token.
    fn send_signed(&self, token: &str, secret: &Secret, kind: &str, data: &Value) {
        let data = data.to_string();
        let expires_ms = Clock::system().now_ms() + 600_000;
        let mut envelope =
            Envelope { id: Some(kind.to_owned()), expires_ms: Some(expires_ms), ..Envelope::new(kind, data.clone().into_bytes()) };
        secret.sign_command(&token.parse().unwrap(), &mut envelope).unwrap();
        let Envelope { actor, signature, .. } = envelope;
        let head =
            json!({ "id": kind, "type": kind, "actor": actor, "expires": write_time(expires_ms), "keyid": token, "signature": signature });
        // the signature is of these very bytes
        self.send(&format!("{},\"data\":{data}}}", head.to_string().strip_suffix('}').unwrap()));
    }

    /// Runs the script as CI would.
    fn script(&self, node: &str, id: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/ci/kcat.sh");
        let mut command = Command::new(script);
        command.args([node, "web", "1"]).env("KAFKA", &self.kafka).env("LOKI_TOPIC_PREFIX", &self.prefix).env("LOKI_ID", id);
        command.env("LOKI_TOKEN_NAME", "ci").env("LOKI_TOKEN_FILE", self.home.path().join("ci.token"));
        let ran = child::output(&mut command, PATIENCE).unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    /// The outcomes in the log, once there are so many.
    fn outcomes(&self, count: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let mut kcat = Command::new("kcat");
            kcat.args(["-C", "-e", "-q", "-b", &self.kafka, "-t", &format!("{}loki.outcomes", self.prefix)]);
            let read = child::output(&mut kcat, PATIENCE).unwrap();
            let lines: Vec<Value> =
                String::from_utf8(read.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(started.elapsed() < PATIENCE, "{lines:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(decider) = &mut self.decider {
            drop(decider.kill());
            drop(decider.wait());
        }
    }
}

#[test]
fn the_example_without_a_client_deploys_and_only_where_its_token_covers() {
    let site = Site::start();
    let (owner, ci) = (Secret::new([1; 32]), Secret::new([2; 32]));
    std::fs::write(site.home.path().join("ci.token"), format!("{}\n", ci.reveal())).unwrap();
    for (node, server) in [("/shop", "web01"), ("/bank", "web02")] {
        site.send_plain("node.create", &json!({ "path": node }));
        site.send_plain("server.register", &json!({ "name": server, "state": "online" }));
        site.send_plain("server.mount", &json!({ "server": server, "node": node }));
    }
    site.send_plain("token.create", &json!({ "name": "owner", "uses": ["deploy", "script", "grant"], "key": owner.public().to_string() }));
    let ci = json!({ "name": "ci", "node": "/shop", "uses": ["deploy"], "key": ci.public().to_string() });
    site.send_signed("owner", &owner, "token.create", &ci);
    let package = json!({ "name": "web", "version": "1", "url": "https://dl.acme.example/web", "sha256": "00".repeat(32), "size": 7 });
    site.send_signed("owner", &owner, "package.register", &package);
    let given = site.outcomes(9);
    assert!(given.iter().all(|outcome| outcome["outcome"] == "accepted"), "{given:#?}");

    site.script("/shop", "ci-1");
    site.script("/bank", "ci-2");
    let outcomes = site.outcomes(11);
    let of = |id: &str| outcomes.iter().find(|outcome| outcome["id"] == id).unwrap();
    let started = of("ci-1");
    assert!(started["outcome"] == "accepted" && started.to_string().contains("\"run/"), "{started:#}");
    assert_eq!((&of("ci-2")["outcome"], &of("ci-2")["code"]), (&json!("rejected"), &json!("forbidden")), "{:#}", of("ci-2"));
}
