//! A host in a folder, the decider's key, and packages whose hooks write down that they have run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loki_domain::{PackageId, RunId, ServerId, Signature};
use loki_executor::{Accepted, Config, Executor, Outcome, Step, Task};
use loki_runtime::{Shutdown, task};
use loki_wire::digest::{sha256, to_hex};
use loki_wire::fact::v1::deploy::{Check, Health, Manifest};
use loki_wire::signature::Secret;
use loki_wire::task::{self as wire, Document, Release, Wanted};
use tempfile::TempDir;

use crate::archive::Archive;

pub(crate) const NOW_MS: i64 = 1_795_000_000_000;

pub(crate) fn secret() -> Secret {
    Secret::new([7; 32])
}

pub(crate) fn run(number: u8) -> RunId {
    RunId::from_digest(&[number; 32])
}

/// Quick where the default is for the world outside.
pub(crate) fn config(root: &Path) -> Config {
    let mut config = Config::new(root, ServerId::MIN, vec![secret().public()], "http://127.0.0.1:1");
    config.limits.free_bytes_min = 1 << 20;
    config.fetch.stall = Duration::from_millis(1_500);
    config.fetch.pause = Duration::from_millis(5);
    // neither is there, unless a test makes it
    let folder = root.parent().unwrap_or(root);
    (config.systemd, config.systemctl) = (folder.join("systemd"), folder.join("systemctl"));
    config
}

pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) executor: Executor,
    told: Mutex<Vec<String>>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder.path().join("root"));
        change(&mut config);
        Self { executor: Executor::open(config).unwrap(), folder, told: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn web(&self) -> PathBuf {
        self.path().join("root/web")
    }

    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.web().join("shared").join(name)
    }

    /// What hooks have written down, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        lines(&self.shared("log"))
    }

    /// The version that serves.
    pub(crate) fn serves(&self) -> Option<String> {
        std::fs::read_to_string(self.web().join("current/version")).ok()
    }

    pub(crate) fn take(&self, document: &Document) -> Accepted {
        let (text, signature) = signed(document);
        self.executor.accept(&text, &signature, NOW_MS).unwrap()
    }

    pub(crate) fn task(&self, document: &Document) -> Task {
        match self.take(document) {
            Accepted::Open(task) => task,
            Accepted::Ended(outcome) => panic!("it has ended: {outcome:?}"),
        }
    }

    pub(crate) async fn carry_out(&self, document: &Document) -> Outcome {
        let told = |step: Step, why: Option<&str>| {
            let line = why.map_or_else(|| step.to_string(), |why| format!("{step}: {why}"));
            self.told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        };
        self.executor.carry_out(&self.task(document), told, &Shutdown::new()).await.unwrap()
    }

    /// The steps since this was asked last, and why one has failed.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

pub(crate) fn signed(document: &Document) -> (String, Signature) {
    let text = serde_json::to_string(document).unwrap();
    let signature = wire::sign(&secret(), text.as_bytes());
    (text, signature)
}

pub(crate) fn document(number: u8, attempt: u32, wanted: Wanted) -> Document {
    let (run, server) = (run(number).to_string(), ServerId::MIN.to_string());
    Document { run, server, attempt, expires_ms: NOW_MS + 600_000, timeout_ms: 240_000, wanted }
}

pub(crate) fn nothing() -> Wanted {
    Wanted::Nothing { name: "web".to_owned() }
}

#[derive(Clone)]
pub(crate) struct Package {
    version: &'static str,
    pub(crate) manifest: Manifest,
}

impl Package {
    /// Each of its hooks writes `<version> <hook>` down.
    pub(crate) fn new(version: &'static str) -> Self {
        let noted = |name: &str| (name.to_owned(), format!("echo $LOKI_VERSION {name} >>$LOKI_SHARED_DIR/log"));
        let hooks = BTreeMap::from(["prepare", "stop", "start", "test", "finish"].map(noted));
        Self { version, manifest: Manifest { hooks, user: None, unit: None, health: None } }
    }

    /// These lines after the hook has written down that it ran.
    pub(crate) fn hook(mut self, name: &str, lines: &str) -> Self {
        self.manifest.hooks.get_mut(name).unwrap().push_str(&format!("\n{lines}"));
        self
    }

    pub(crate) fn health(mut self, check: Check, stays_ms: u32, within_ms: u32) -> Self {
        self.manifest.health = Some(Health { check, stays_ms, within_ms });
        self
    }

    pub(crate) fn command(self, command: impl Into<String>) -> Self {
        self.health(Check::Command { command: command.into() }, 60, 10_000)
    }

    pub(crate) fn id(&self) -> PackageId {
        PackageId::from_digest(&sha256(&[self.version.as_bytes()]))
    }

    /// With its archive in a file of the host.
    pub(crate) fn wanted(&self, host: &Host) -> Wanted {
        self.file(host.path())
    }

    pub(crate) fn file(&self, folder: &Path) -> Wanted {
        let bytes = Archive::new().file("version", self.version.as_bytes()).file("etc/conf", b"a").link("etc/link", "../version").gzip();
        let path = folder.join(format!("the archive of {}.tgz", self.version));
        std::fs::write(&path, &bytes).unwrap();
        self.at(&format!("file://{}", path.display().to_string().replace(' ', "%20")), &bytes)
    }

    pub(crate) fn at(&self, url: &str, bytes: &[u8]) -> Wanted {
        Wanted::Release(Box::new(Release {
            name: "web".to_owned(),
            release: self.id().to_string(),
            version: self.version.to_owned(),
            url: url.to_owned(),
            sha256: to_hex(&sha256(&[bytes])),
            size: bytes.len() as u64,
            minisign: None,
            manifest: self.manifest.clone(),
        }))
    }
}

/// Waits for a condition; the test fails when it does not come.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..18_000 {
        if is_so() {
            return;
        }
        task::sleep(Duration::from_millis(10)).await;
    }
    panic!("in three minutes it was never so: {what}");
}

pub(crate) fn failure(outcome: &Outcome) -> (Step, &str) {
    match outcome {
        Outcome::Failed { step, message } => (*step, message.as_str()),
        Outcome::Succeeded => panic!("it has succeeded"),
    }
}

pub(crate) const STEPS: [&str; 10] = ["fetch", "unpack", "prepare", "stop", "switch", "start", "test", "health", "finish", "prune"];
