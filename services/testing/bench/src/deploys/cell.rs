//! A decider, a clock, a projection and an API, each a process, with a broker and a database of their own; and what people do there.

use std::net::TcpListener;
use std::process::Command as Program;
use std::time::Duration;

use anyhow::{Context, Result};
use loki_core::generate::Asked;
use loki_domain::{Command, Labels, NodeRef, ServerRef, ServerState};
use loki_runtime::task;
use loki_testing::child;
use loki_testing::real::{self, Running};
use loki_wire::signature::Secret;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use sqlx::{Connection, Executor, MySqlConnection};

use super::Used;
use crate::process::{Process, loki};
use crate::site::{Site, record};

/// In the order in which they are counted.
pub(super) const SERVICES: [&str; 4] = ["decider", "clock", "mysql", "api"];
const READY_WITHIN: Duration = Duration::from_secs(60);
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// Each agent has two connections at most: one waits for tasks, one reports.
const CONNECTIONS: u64 = 6_000;

pub(super) struct Cell {
    processes: Vec<Process>,
    home: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    url: String,
    http: reqwest::Client,
    site: Site,
    /// Lives as long as this.
    _database: Running,
}

pub(super) fn host_name(number: usize) -> String {
    format!("h{number:04}.bj.example")
}

/// Where the first servers of the fleet are mounted, so many of them.
fn node(size: usize) -> String {
    format!("/acme/n{size}")
}

fn package(size: usize) -> String {
    format!("p{size}")
}

impl Cell {
    /// With the largest size as servers, and a node for each size.
    pub(super) async fn start(sizes: &[usize]) -> Result<Self> {
        allow_connections()?;
        let site = Site::start().await?;
        let database = crate::backends::start(&real::MariaDb).await?;
        let mut connection = MySqlConnection::connect(&format!("{}/mysql", database.url())).await?;
        connection.execute("CREATE DATABASE loki CHARACTER SET utf8mb4 COLLATE utf8mb4_bin").await?;
        let home = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let url = format!("http://{address}");
        let nowhere = || "127.0.0.1:9".to_owned();
        let environment = vec![
            ("LOKI__BACKENDS", "real".to_owned()),
            ("LOKI__DATA_DIR", home.path().display().to_string()),
            ("LOKI__KAFKA__BROKERS", site.brokers()),
            ("LOKI__KAFKA__REPLICATION", "1".to_owned()),
            ("LOKI__MYSQL__URL", format!("{}/loki", database.url())),
            // neither is asked for anything here
            ("LOKI__ZOOKEEPER__SERVERS", nowhere()),
            ("LOKI__REDIS__URL", format!("redis://{}/0", nowhere())),
            ("LOKI__OPENTSDB__ADDRESSES", format!("http://{}", nowhere())),
            ("LOKI__DECIDER__SIGNING_KEY", Secret::random().context("no randomness")?.reveal().to_owned()),
            ("LOKI__API__LISTEN", address),
            // a request that waits has a place like any other
            ("LOKI__TELNET__LISTEN", String::new()),
            ("LOKI__TELEMETRY__LISTEN", "127.0.0.1:0".to_owned()),
            ("LOKI_API", url.clone()),
        ];
        let http = loki_cli::client::plain().build()?;
        let mut cell = Self { processes: Vec::new(), home, environment, url, http, site, _database: database };
        cell.loki(&["migrate"]).await?;
        for service in SERVICES {
            let log = cell.home.path().join(format!("{service}.log"));
            cell.processes.push(Process::start(&loki()?, &[service], &cell.environment, &log)?);
        }
        let last = cell.site.append(&cell.site.commands(), inventory(sizes)?.iter().map(record).collect()).await?;
        cell.site.decided(last).await?;
        cell.settled().await?;
        let token = cell.home.path().join("owner.token").display().to_string();
        cell.loki(&["admin", "token", "create", "owner", "--for", "deploy", "--for", "script", "--for", "grant", "--out", &token]).await?;
        cell.environment.push(("LOKI_TOKEN_FILE", token));
        Ok(cell)
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Seconds that each process has had a processor.
    pub(super) fn used(&self) -> Result<Used> {
        let mut used = Used::default();
        for (used, process) in used.iter_mut().zip(&self.processes) {
            *used = process.processor_time()?.as_secs_f64();
        }
        Ok(used)
    }

    /// An error when a process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.processes.iter_mut().zip(SERVICES).try_for_each(|(process, service)| process.check().context(service))
    }

    pub(super) async fn stop(self) -> Result<()> {
        for process in self.processes {
            process.stop().await?;
        }
        Ok(())
    }

    /// A version of the package that is deployed to this many servers.
    pub(super) async fn register(&self, size: usize, version: &str) -> Result<()> {
        let (package, digest) = (package(size), "0".repeat(64));
        let more = ["--url", "https://dl.acme.example/p.tar.gz", "--sha256", &digest, "--size", "1"];
        self.loki(&[&["package", "register", &package, version], &more[..]].concat()).await.map(drop)
    }

    /// Begins a run on this many servers; gives its id.
    pub(super) async fn begin(&self, size: usize, version: &str, batches: &str) -> Result<String> {
        let (node, package) = (node(size), package(size));
        let run = ["deploy", "start", &node, "--package", &package, "--version", version];
        let said = self.loki(&[&run, &["--batches", batches, "--pause", "0s", "-o", "json"][..]].concat()).await?;
        let outcome: Value = serde_json::from_str(&said)?;
        let facts = outcome["facts"].as_array().with_context(|| format!("the run is answered {outcome}"))?;
        let run = facts.iter().find_map(|fact| fact["key"].as_str()?.strip_prefix("run/"));
        Ok(run.with_context(|| format!("no run in {outcome}"))?.to_owned())
    }

    /// Waits until the projection has all facts; gives the next offset.
    pub(super) async fn settled(&mut self) -> Result<u64> {
        let wait = async {
            loop {
                let end = self.site.log.bounds(&self.site.facts()).await?.end;
                let status: Value = match self.http.get(format!("{}/v1/status", self.url)).send().await {
                    Ok(answer) => answer.json().await.unwrap_or_default(),
                    Err(_) => Value::Null,
                };
                let projections = status["projections"].as_array().into_iter().flatten();
                let mut ours = projections.filter(|of| of["name"] == "mysql" || of["name"] == "history");
                if status["undecided"] == 0 && ours.clone().count() == 2 && ours.all(|of| of["state"] == "live" && of["lag"] == 0) {
                    return Ok::<_, anyhow::Error>(end);
                }
                task::sleep(Duration::from_millis(50)).await;
                self.processes.iter_mut().try_for_each(Process::check)?;
            }
        };
        task::timeout(READY_WITHIN, wait).await.context("the cell does not settle")?
    }

    /// What an operators' command says; it must succeed.
    async fn loki(&self, arguments: &[&str]) -> Result<String> {
        let mut program = Program::new(loki()?);
        program.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(self.home.path());
        let output = task::spawn_blocking("command", move || child::output(&mut program, COMMAND_WITHIN)).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::ensure!(output.status.success(), "`loki {arguments:?}` ended so: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }
}

/// The servers, each mounted on the nodes of all sizes that it belongs to.
fn inventory(sizes: &[usize]) -> Result<Vec<Asked>> {
    let mut commands = Vec::new();
    for size in sizes {
        let (labels, defaults) = (Labels::default(), Labels::default());
        commands.push(Command::NodeCreate {
            path: node(*size).parse()?,
            parents: true,
            labels,
            contacts: Vec::new(),
            defaults,
            again: None,
        });
    }
    for number in 0..sizes.iter().copied().max().unwrap_or_default() {
        let name = host_name(number);
        commands.push(Command::ServerRegister {
            name: name.parse()?,
            serial: None,
            addresses: Vec::new(),
            idc: None,
            labels: Labels::default(),
            state: ServerState::Online,
        });
        for size in sizes.iter().filter(|size| number < **size) {
            let (server, node) = (ServerRef::Name(name.parse()?), NodeRef::Path(node(*size).parse()?));
            commands.push(Command::ServerMount { server, node, offline: false, ratio: None });
        }
    }
    let asked = |(number, command)| Asked { actor: "inventory".to_owned(), id: format!("inventory-{number}"), command };
    Ok(commands.into_iter().enumerate().map(asked).collect())
}

/// This process has an end of each connection, and the API, which inherits the bound, the other one.
fn allow_connections() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    anyhow::ensure!(maximum.is_none_or(|maximum| maximum > CONNECTIONS), "this work needs {CONNECTIONS} connections: raise `ulimit -Hn`");
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
