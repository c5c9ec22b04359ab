//! Simulated hosts: each asks, waits and reports as `loki agent` does, by HTTP, with connections of its own. Only what a task asks for is not done.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use loki_client::{Client, Failure};
use loki_runtime::{Backoff, Secret, Shutdown, task};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::cell::host_name;

/// That a host takes for its part: one step of two seconds, which an agent tells then, and what comes after it.
pub(super) const HOST: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_secs(2);
/// As the agent has them: between two tries while the API is away, how long the API is asked to wait, what is left between two questions, how long
/// an outcome is waited for at once, and how long an answer may take.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
const WAIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);
const OUTCOME: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Until all of them wait for tasks.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Fleet {
    shutdown: Shutdown,
    hosts: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Hosts that have had their first answer.
    waiting: AtomicUsize,
    failed: AtomicUsize,
}

/// Cheap to clone.
#[derive(Clone)]
struct Host {
    name: String,
    client: Client,
    counts: Arc<Counts>,
}

#[derive(Deserialize)]
struct Got {
    server: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    document: String,
}

/// What is read of a task's document.
#[derive(Deserialize)]
struct Task {
    run: String,
    attempt: u32,
}

impl Fleet {
    /// All of them wait for tasks.
    pub(super) async fn start(api: &str, size: usize) -> Result<Self> {
        let (shutdown, counts) = (Shutdown::new(), Arc::<Counts>::default());
        let mut hosts = Vec::new();
        for number in 0..size {
            let client = Client::new("loki-agent", api, &Secret::default(), TIMEOUT)?;
            let host = Host { name: host_name(number), client, counts: counts.clone() };
            hosts.push(task::spawn("host", host.run(shutdown.clone())));
        }
        let fleet = Self { shutdown, hosts, counts };
        let wait = async {
            while fleet.counts.waiting.load(Ordering::Relaxed) < size {
                task::sleep(Duration::from_millis(50)).await;
            }
        };
        task::timeout(PATIENCE, wait).await.context("not all agents have an answer")?;
        Ok(fleet)
    }

    /// Requests that had to be repeated.
    pub(super) fn failed(&self) -> usize {
        self.counts.failed.load(Ordering::Relaxed)
    }

    pub(super) async fn stop(self) {
        self.shutdown.begin();
        for host in self.hosts {
            // one that has failed would have been missed by its run
            drop(host.await);
        }
    }
}

impl Host {
    async fn run(self, shutdown: Shutdown) {
        let (mut backoff, mut server, mut seen) = (Backoff::new(BACKOFF.0, BACKOFF.1), None, None);
        let mut begun = HashSet::new();
        loop {
            let Some(asked) = shutdown.unless(self.ask(server.as_deref(), seen.as_deref())).await else { return };
            let pause = match asked {
                Ok(got) => {
                    if let Some((got, position)) = got {
                        if seen.is_none() {
                            self.counts.waiting.fetch_add(1, Ordering::Relaxed);
                        }
                        for item in &got.items {
                            self.begin(item, &got.server, &mut begun, &shutdown);
                        }
                        (server, seen) = (Some(got.server), Some(position));
                    }
                    backoff.reset();
                    PAUSE
                }
                // also a server that is not there yet
                Err(failure) => self.failed(&mut backoff, &failure),
            };
            if shutdown.unless(task::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// `None`: nothing new.
    async fn ask(&self, server: Option<&str>, seen: Option<&str>) -> Result<Option<(Got, String)>, Failure> {
        let name = server.map_or_else(|| self.name.clone(), |id| format!("id:{id}"));
        let mut request = self.client.request(Method::GET, &["v1", "servers", &name, "tasks"]);
        if let Some(seen) = seen {
            request = request.with("seen", seen).waiting(WAIT);
        }
        let answer = self.client.send(request).await?;
        match answer.status {
            204 => Ok(None),
            _ if answer.is_success() => {
                let position = answer.position.clone().ok_or_else(|| Failure::away("an answer without a position"))?;
                Ok(Some((answer.json()?, position)))
            }
            _ => Err(answer.failure()),
        }
    }

    /// Carries a task out beside all others, once.
    fn begin(&self, item: &Item, server: &str, begun: &mut HashSet<(String, u32)>, shutdown: &Shutdown) {
        let Ok(Task { run, attempt }) = serde_json::from_str(&item.document) else { return };
        if !begun.insert((run.clone(), attempt)) {
            return;
        }
        let (host, shutdown) = (self.clone(), shutdown.clone());
        let report = json!({ "run": run, "server": server, "attempt": attempt });
        task::spawn("task", async move { shutdown.unless(host.carry_out(&report)).await });
    }

    async fn carry_out(&self, report: &Value) {
        let told = async {
            task::sleep(STEP).await;
            // one that cannot be told now is not worth to be told later
            if self.report(report, json!({ "state": "running", "step": "start" })).await.is_err() {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = task::sleep(HOST) => {}
            () = told => {}
        }
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        while let Err(failure) = self.report(report, json!({ "state": "succeeded" })).await {
            task::sleep(self.failed(&mut backoff, &failure)).await;
        }
    }

    /// A command, and its outcome.
    async fn report(&self, report: &Value, more: Value) -> Result<(), Failure> {
        let mut data = report.clone();
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        let id = uuid::Uuid::now_v7().to_string();
        let body = json!({ "id": id, "type": "run.report", "actor": "agent", "data": data }).to_string().into_bytes();
        let answer = self.client.send(self.client.request(Method::POST, &["v1", "commands"]).json(body).waiting(OUTCOME)).await?;
        if !answer.is_success() {
            return Err(answer.failure());
        }
        let outcome: Value = answer.json()?;
        // an outcome that comes later than that is one of an engine that is stuck
        if outcome["outcome"] != "accepted" {
            return Err(Failure::away(format!("a report is answered {outcome}")));
        }
        Ok(())
    }

    fn failed(&self, backoff: &mut Backoff, failure: &Failure) -> Duration {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        backoff.step().max(failure.retry_after())
    }
}
