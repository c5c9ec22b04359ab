//! Processes of the binary `loki` with backends of their own corner: a topic prefix, a database, a chroot.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use loki_testing::port::free_address;
use loki_testing::{child, real};
use sqlx::{AssertSqlSafe, Connection};

use crate::api::{Api, PATIENCE};

/// What a decider needs for each command, for a day: it remembers the answer to its id, in the words of the rejection where it was rejected, as most
/// wild ones are.
pub(crate) const REMEMBERED_BYTES: u64 = 500;

/// What runs on the real set, each a process.
pub(crate) const SERVICES: [&str; 6] = ["decider", "mysql", "zookeeper", "redis", "opentsdb", "api"];

/// Where the real backends are.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    pub(crate) kafka: String,
    /// Without a database.
    pub(crate) mysql: String,
    pub(crate) zookeeper: String,
    pub(crate) opentsdb: String,
    pub(crate) redis: String,
}

impl Backends {
    pub(crate) fn shared() -> Self {
        let shared = real::shared();
        Self {
            kafka: shared.kafka.clone(),
            mysql: shared.mysql.clone(),
            zookeeper: shared.zookeeper.clone(),
            opentsdb: shared.opentsdb.clone(),
            redis: shared.redis.clone(),
        }
    }
}

pub(crate) struct Platform {
    home: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    processes: BTreeMap<String, Child>,
    /// What the command of a service begins with.
    within: Vec<String>,
    /// The real set's names, for tests that reach behind the platform's back.
    pub(crate) database: String,
    pub(crate) chroot: String,
    pub(crate) prefix: String,
    pub(crate) api: Api,
}

impl Platform {
    /// `loki all` on the embedded set, ready.
    pub(crate) async fn embedded() -> Self {
        let mut platform = Self::new();
        platform.set("LOKI__DATA_DIR", platform.data().display().to_string());
        platform.start("all").await;
        platform
    }

    /// Likewise, with its data in this folder; `within`: what its command begins with.
    pub(crate) async fn on_disk(data: &Path, within: Vec<String>) -> Self {
        let mut platform = Self::new();
        platform.within = within;
        platform.set("LOKI__DATA_DIR", data.display().to_string());
        platform.start("all").await;
        platform
    }

    /// The services on the real set, each a process, ready.
    pub(crate) async fn real(backends: &Backends) -> Self {
        let mut platform = Self::prepared(backends).await;
        for service in SERVICES {
            platform.spawn(service, service);
        }
        for service in SERVICES {
            platform.ready(service).await;
        }
        platform
    }

    /// `loki all` on the real set, ready.
    pub(crate) async fn real_in_one(backends: &Backends) -> Self {
        let mut platform = Self::prepared(backends).await;
        platform.start("all").await;
        platform
    }

    /// The real set with its topics and tables, and no process.
    pub(crate) async fn prepared(backends: &Backends) -> Self {
        let platform = Self::bare(backends).await;
        platform.expect_soon(&["topics", "apply"]);
        platform.expect_soon(&["migrate"]);
        platform
    }

    /// Settings for the real set and an empty database; no topic, no table, no process.
    pub(crate) async fn bare(backends: &Backends) -> Self {
        let mut platform = Self::new();
        platform.prefix = real::topic_prefix();
        platform.database = real::mysql_database();
        platform.chroot = real::zookeeper_chroot();
        let mut root = sqlx::MySqlConnection::connect(&format!("{}/mysql", backends.mysql)).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {}", platform.database))).execute(&mut root).await.unwrap();
        let settings = [
            ("LOKI__BACKENDS", "real".to_owned()),
            ("LOKI__TOPIC_PREFIX", platform.prefix.clone()),
            ("LOKI__KAFKA__BROKERS", backends.kafka.clone()),
            ("LOKI__KAFKA__REPLICATION", "1".to_owned()),
            ("LOKI__MYSQL__URL", format!("{}/{}", backends.mysql, platform.database)),
            ("LOKI__ZOOKEEPER__SERVERS", backends.zookeeper.clone()),
            ("LOKI__ZOOKEEPER__CHROOT", platform.chroot.clone()),
            ("LOKI__OPENTSDB__ADDRESSES", backends.opentsdb.clone()),
            // cells share a database: their keys begin with the topics' prefix
            ("LOKI__REDIS__URL", format!("{}/0", backends.redis)),
        ];
        for (name, value) in settings {
            platform.set(name, value);
        }
        platform
    }

    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("loki-e2e-").tempdir().unwrap();
        let address = free_address().to_string();
        let mut platform = Self {
            home,
            environment: BTreeMap::new(),
            processes: BTreeMap::new(),
            within: Vec::new(),
            database: String::new(),
            chroot: String::new(),
            prefix: String::new(),
            api: Api::new(&address),
        };
        platform.set("LOKI__API__LISTEN", address.clone());
        platform.set("LOKI_API", format!("http://{address}"));
        // tests count what is in the log, and many run at once
        platform.set("LOKI__AGENT__REGISTER", "false".to_owned());
        platform.set("LOKI__TELNET__LISTEN", String::new());
        platform.set("LOKI__LOGS__FILTER", "info,rdkafka=warn,librdkafka=warn,sqlx=warn".to_owned());
        platform
    }

    /// For processes that are started from now on.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.environment.insert(name.to_owned(), value);
    }

    /// A client with connections of its own, for requests after which they cannot be used again.
    pub(crate) fn another_client(&self) -> Api {
        Api::new(&self.environment["LOKI__API__LISTEN"])
    }

    /// Starts a process and waits until it is ready.
    pub(crate) async fn start(&mut self, service: &str) {
        self.spawn(service, service);
        self.ready(service).await;
    }

    /// Starts a process under a name of its own.
    pub(crate) fn spawn(&mut self, name: &str, service: &str) {
        let telemetry = free_address().to_string();
        std::fs::write(
            self.file(name, "address"),
            if matches!(service, "all" | "api") { &self.environment["LOKI__API__LISTEN"] } else { &telemetry },
        )
        .unwrap();
        let log = File::options().create(true).append(true).open(self.file(name, "log")).unwrap();
        let mut command = match self.within.split_first() {
            None => self.placed(child::bound(binary()).unwrap(), &[service]),
            Some((program, arguments)) => {
                let mut command = child::bound(Path::new(program)).unwrap();
                command.args(arguments).arg(binary());
                self.placed(command, &[service])
            }
        };
        command.env("LOKI__TELEMETRY__LISTEN", telemetry).stdout(Stdio::from(log.try_clone().unwrap())).stderr(Stdio::from(log));
        self.processes.insert(name.to_owned(), child::spawn(command).unwrap());
    }

    /// Asks one process for its health and metrics.
    pub(crate) fn asking(&self, name: &str) -> Api {
        Api::new(&std::fs::read_to_string(self.file(name, "address")).unwrap())
    }

    /// A metric of a process, summed over the lines with this label; 0 while it has none, `None` while the process does not answer.
    pub(crate) async fn metric(&self, name: &str, metric: &str, label: &str) -> Option<f64> {
        let text = self.asking(name).text("/metrics").await.ok()?;
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(metric);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
        });
        Some(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// Whether a process says that it is ready.
    pub(crate) async fn is_ready(&self, name: &str) -> bool {
        self.asking(name).get("/readyz").await.is_ok_and(|(status, _)| status == 200)
    }

    /// Waits until a process says that it is ready.
    pub(crate) async fn ready(&mut self, name: &str) {
        let asking = self.asking(name);
        let started = Instant::now();
        loop {
            let said = match asking.get("/readyz").await {
                Ok((200, _)) => return,
                Ok((_, body)) => body.to_string(),
                Err(error) => error.to_string(),
            };
            let ended = self.processes.get_mut(name).and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "`{name}` is not ready ({ended:?}): {said}\n{}", self.log(name));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.processes.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self, name: &str) -> bool {
        self.processes.get_mut(name).is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    pub(crate) fn id(&self, name: &str) -> u32 {
        self.processes[name].id()
    }

    /// What is this test's own.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the embedded set keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The most memory that it has had resident, in bytes.
    pub(crate) fn peak_memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id(name))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// Lets it stand still: it keeps its connections and does nothing.
    pub(crate) fn pause(&self, name: &str) {
        self.signal(name, "-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self, name: &str) {
        self.signal(name, "-CONT");
    }

    fn signal(&self, name: &str, signal: &str) {
        let id = self.processes[name].id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// SIGTERM: it must end by itself, with success, within its bound.
    pub(crate) fn stop(&mut self, name: &str) {
        self.signal(name, "-TERM");
        let mut child = self.processes.remove(name).unwrap();
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(45), "`{name}` does not stop\n{}", self.log(name));
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "`{name}` ended with {status}\n{}", self.log(name));
    }

    /// Runs an operators' command.
    pub(crate) fn loki(&self, arguments: &[&str]) -> Output {
        child::output(&mut self.command(arguments), PATIENCE).unwrap()
    }

    /// Runs an operators' command that must succeed.
    pub(crate) fn expect(&self, arguments: &[&str]) -> String {
        let output = self.loki(arguments);
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "loki {arguments:?} ended with {}:\n{out}\n{error}", output.status);
        out.into_owned()
    }

    /// The same of a command that the backends may be too busy for at first; safe to repeat.
    fn expect_soon(&self, arguments: &[&str]) {
        self.expect_unless(arguments, |_| false);
    }

    /// `loki verify` finds no difference. What it could not compare it compares again.
    pub(crate) fn verify(&self) {
        self.expect_unless(&["verify"], |said| !said.contains("not compared"));
    }

    /// Repeats a command until it succeeds, unless it has said something final.
    fn expect_unless(&self, arguments: &[&str], is_final: impl Fn(&str) -> bool) {
        let started = std::time::Instant::now();
        loop {
            let output = self.loki(arguments);
            if output.status.success() {
                return;
            }
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let ended = is_final(&said) || started.elapsed() > Duration::from_secs(90);
            assert!(!ended, "loki {arguments:?} ended with {}:\n{said}", output.status);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The last lines that a process logged.
    pub(crate) fn log(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.file(name, "log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// A process that is ready says so a little later.
    pub(crate) async fn until_said(&self, name: &str, text: &str) {
        let started = Instant::now();
        while !std::fs::read_to_string(self.file(name, "log")).unwrap_or_default().contains(text) {
            assert!(started.elapsed() < PATIENCE, "`{name}` does not say `{text}`: {}", self.log(name));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.home.path().join(format!("{name}.{extension}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.placed(Command::new(binary()), arguments)
    }

    fn placed(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).envs(&self.environment).current_dir(self.home.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for (_, mut child) in std::mem::take(&mut self.processes) {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            for entry in std::fs::read_dir(self.home.path()).into_iter().flatten().flatten() {
                if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".log")) {
                    eprintln!("--- {name}\n{}", self.log(name));
                }
            }
        }
    }
}

/// The one that is named, else the binary beside this test's own.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("LOKI_TEST_BINARY") {
        return named.into();
    }
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("loki");
    assert!(binary.exists(), "`{}` is missing: run `cargo build -p loki`", binary.display());
    binary
}
