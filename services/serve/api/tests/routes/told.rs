//! An API whose log is told by the test itself, outcome by outcome, with a transaction's marker behind each as on Kafka; no decider, no projections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loki_api::Sources;
use loki_log::{NewRecord, Partition, Topic};
use loki_mysql::Readers;
use loki_runner::testing::MemoryLog;
use loki_runtime::Shutdown;
use loki_telemetry::Health;
use loki_wire::digest::Digest;
use loki_wire::{Outcome, Topics, Verdict, outcome};
use loki_zookeeper::Memory;

use crate::cell::{NoSeries, Setting, intake, live, serve, until};
use crate::client::Client;

pub(crate) struct ToldCell {
    pub(crate) log: MemoryLog,
    pub(crate) client: Client,
    pub(crate) commands: Partition,
    outcomes: Partition,
    health: Health,
    shutdown: Shutdown,
    _home: tempfile::TempDir,
}

/// The chain of outcomes as a decider carries it on.
#[derive(Default)]
pub(crate) struct Chain {
    next: u64,
    previous: Digest,
}

impl ToldCell {
    pub(crate) async fn start() -> Self {
        let home = tempfile::Builder::new().prefix("loki-routes-").tempdir().unwrap();
        let relational = loki_mysql::Config::sqlite(home.path().join("store.db"));
        loki_mysql::migrate(&relational).await.unwrap();
        let readers = Readers::open(&relational).unwrap();
        let log = MemoryLog::simple(true);
        let sources = Sources {
            log: Arc::new(log.clone()),
            intake: intake(Arc::new(log.clone())),
            series: Arc::new(NoSeries),
            servers: None,
            live: live(),
            artifacts: None,
            buckets: Default::default(),
            state: readers.state,
            deploys: readers.deploys,
            history: readers.history,
            task_logs: readers.task_logs,
            domains: loki_mysql::domain_reader(&loki_mysql::Config::sqlite(home.path().join("cdn_system.db"))).unwrap(),
            tree: Arc::new(Memory::default()),
        };
        let (health, shutdown, topics) = (Health::new(), Shutdown::new(), Topics::new(""));
        // no projection ever has what the history is asked for
        let setting = Setting { wait_max: Duration::from_secs(10), ..Setting::default() };
        let (client, _api) = serve(sources, setting, health.clone(), shutdown.clone()).await;
        let only = |topic: &str| Partition::only(&Topic::new(topic));
        let cell = Self { log, client, commands: only(&topics.commands), outcomes: only(&topics.outcomes), health, shutdown, _home: home };
        until("the outcomes' end is seen", async || cell.health.report().components.get("api").is_some_and(|said| said == "ready")).await;
        cell
    }

    /// The next command is accepted: one transaction.
    pub(crate) fn decide(&self, chain: &mut Chain, id: &str) {
        self.answer(chain, id, Verdict::Accepted { after: None, facts: Vec::new() });
    }

    /// The next command is decided: one transaction.
    pub(crate) fn answer(&self, chain: &mut Chain, id: &str, verdict: Verdict) {
        let outcome = Outcome {
            id: id.to_owned(),
            actor: "ann".to_owned(),
            kind: "node.create".to_owned(),
            command: chain.next,
            at_ms: 0,
            rules: outcome::RULES,
            previous: chain.previous,
            digest: None,
            verdict,
        };
        let written = outcome::write(&outcome, None);
        *chain = Chain { next: chain.next + 1, previous: written.hash };
        let record = NewRecord { key: None, value: Some(written.value), headers: written.headers, timestamp_ms: Some(0) };
        self.log.write(&self.outcomes, vec![record], true);
    }

    /// A command is appended that no one decides here; in a transaction, as the decider's follow-ups are.
    pub(crate) fn ask(&self, id: &str) -> u64 {
        let body = serde_json::json!({ "id": id, "type": "node.create", "data": { "path": "/a" } }).to_string();
        let envelope = loki_wire::Envelope::read_body(&Bytes::from(body)).unwrap();
        let record = NewRecord { key: None, value: Some(envelope.data.clone()), headers: envelope.headers(), timestamp_ms: None };
        self.log.write(&self.commands, vec![record], true)
    }

    /// The outcomes' topic was deleted and filled anew, up to the same length or further, while nobody looked.
    pub(crate) fn make_anew(&self, fill: impl FnOnce(&Self)) {
        self.log.truncate(&self.outcomes, 0);
        fill(self);
    }
}

impl Drop for ToldCell {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}
