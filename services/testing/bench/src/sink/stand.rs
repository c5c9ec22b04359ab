//! What all turns have in common: the topic, and the store behind it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use loki_log::{Bounds, NewRecord, Partition, Topic};
use loki_runtime::{Clock, task};
use loki_testing::real::{self, Running, opentsdb_counter};
use tempfile::TempDir;

use super::backlog::{self, Backlog};
use super::group::Positions;
use super::stub::Stub;
use crate::site::Site;

/// How old the first points are. The sink knows by itself what it reads again of the last quarter of an hour; what is older than that it would look up.
const BEGINS_BEFORE: usize = 400;

pub(super) struct Stand {
    site: Site,
    store: Store,
    http: reqwest::Client,
    partitions: u32,
    /// The first second of the next points, by whose they are.
    next: HashMap<String, i64>,
    folder: TempDir,
}

enum Store {
    OpenTsdb(Running),
    Stub(Stub, SocketAddr),
}

impl Stand {
    pub(super) async fn on_opentsdb() -> Result<Self> {
        Self::new(Store::OpenTsdb(crate::backends::start(&real::OpenTsdb).await?)).await
    }

    pub(super) async fn on_stub() -> Result<Self> {
        let stub = Stub::default();
        let address = stub.start().await?;
        Self::new(Store::Stub(stub, address)).await
    }

    async fn new(store: Store) -> Result<Self> {
        let site = Site::start().await?;
        let declared = loki_log::declared("").into_iter().find(|topic| topic.spec.name == site.topics.samples);
        let partitions = declared.context("the samples' topic is not declared")?.spec.partitions;
        let http = loki_cli::client::plain().build()?;
        Ok(Self { site, store, http, partitions, next: HashMap::new(), folder: tempfile::tempdir()? })
    }

    pub(super) fn is_stub(&self) -> bool {
        matches!(self.store, Store::Stub(..))
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn brokers(&self) -> String {
        self.site.brokers()
    }

    pub(super) fn topic(&self) -> &str {
        &self.site.topics.samples
    }

    /// Where the carriers run.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the store listens.
    pub(super) fn store(&self) -> String {
        match &self.store {
            Store::OpenTsdb(running) => running.address(),
            Store::Stub(_, address) => address.to_string(),
        }
    }

    /// Points of the next seconds.
    pub(super) fn next_points(&mut self, by: &str, seconds: usize) -> Result<Backlog> {
        self.points_since(by, BEGINS_BEFORE, seconds)
    }

    /// Likewise; the first of them are of so many seconds ago.
    pub(super) fn points_since(&mut self, by: &str, before: usize, seconds: usize) -> Result<Backlog> {
        let earliest = Clock::system().now_ms() / 1_000 - i64::try_from(before)?;
        let next = self.next.entry(by.to_owned()).or_default();
        let backlog = Backlog::make(by, earliest.max(*next), seconds)?;
        *next = backlog.seconds.1 + 1;
        Ok(backlog)
    }

    pub(super) fn records(&self, backlog: &Backlog) -> Vec<Vec<NewRecord>> {
        backlog.records(self.partitions)
    }

    /// Appends the records of each partition.
    pub(super) async fn append(&self, records: Vec<Vec<NewRecord>>) -> Result<()> {
        let appends = self.all().into_iter().zip(records).filter(|(_, records)| !records.is_empty());
        let appends = appends.map(|(partition, records)| async move { self.site.log.append(&partition, records).await });
        try_join_all(appends).await?;
        Ok(())
    }

    /// Where the partitions end.
    pub(super) async fn ends(&self) -> Result<Positions> {
        let bounds = self.all().into_iter().map(|partition| async move { self.site.log.bounds(&partition).await });
        let bounds: Vec<Bounds> = try_join_all(bounds).await?;
        Ok(bounds.into_iter().map(|bounds| bounds.end).collect())
    }

    fn all(&self) -> Vec<Partition> {
        let topic = Topic::new(self.topic());
        (0..self.partitions).map(|number| Partition::new(topic.clone(), number)).collect()
    }

    /// Points that the store has taken in since it was started, whoever put them.
    pub(super) async fn taken(&self) -> Result<u64> {
        match &self.store {
            Store::Stub(stub, _) => Ok(stub.points()),
            Store::OpenTsdb(running) => {
                let url = running.url();
                task::spawn_blocking("stats", move || opentsdb_counter(&url, "tsd.datapoints.added")).await?
            }
        }
    }

    /// How many of these points are there, by their values; `by` and `suffix` say under which names.
    pub(super) async fn found(&self, backlog: &Backlog, by: &str, suffix: &str) -> Result<usize> {
        self.count(&backlog.count_question(by, suffix)).await
    }

    /// What a question for numbers of points is answered, added up.
    pub(super) async fn count(&self, question: &str) -> Result<usize> {
        if self.is_stub() {
            bail!("a stub keeps no points");
        }
        let url = format!("http://{}/api/query?{question}", self.store());
        let answer = self.http.get(url).send().await?;
        backlog::count(&answer.bytes().await?)
    }
}
