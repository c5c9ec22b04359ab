//! An embedded log with a topic of samples, its clock in the test's hand, and projectors that follow it.

use std::sync::Arc;
use std::time::Duration;

use loki_domain::Sample;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, NewRecord, Partition, Timestamp, Topic, TopicSpec, Writer};
use loki_redis::contract::PATIENCE;
use loki_redis::contract::samples::{PARTITIONS, log as log_id, sample};
use loki_redis::samples::{Reader, SamplesConfig, SamplesReader, SamplesStore, run};
use loki_runner::{Error, State};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::{Component, Health};
use loki_wire::Change;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const GROUP: &str = "redis-samples";

pub(crate) struct Feed {
    number: u8,
    pub(crate) log: SqliteLog,
    pub(crate) clock: Clock,
    _directory: TempDir,
}

impl Feed {
    /// A log of its own, whose id has this number.
    pub(crate) async fn new(number: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(1_700_000_000_000);
        let log = SqliteLog::open(Options { clock: clock.clone(), ..Options::new(directory.path()) }).await.unwrap();
        let topics = [topic("samples", PARTITIONS, Timestamp::Append), topic("facts", 1, Timestamp::Create)];
        log.reconcile_topics(&topics, true).await.unwrap();
        let mut decider: Box<dyn Writer> = log.writer("decider").await.unwrap();
        let opening = loki_wire::fact::write(&Change::Log(log_id(number)), 0, 0, true, None);
        let opening = NewRecord { key: Some(opening.key), value: opening.value, headers: opening.headers, timestamp_ms: None };
        decider.append(&Partition::only(&Topic::new("facts")), vec![opening]).await.unwrap();
        decider.commit(None).await.unwrap();
        Self { number, log, clock, _directory: directory }
    }

    pub(crate) fn partition(number: u32) -> Partition {
        Partition::new(Topic::new("samples"), number)
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.clock.set(self.clock.now_ms() + ms);
    }

    /// Appends each point as a record of its own to its partition.
    pub(crate) async fn append(&self, samples: &[Sample]) {
        for sample in samples {
            self.append_to(sample.series.partition(PARTITIONS), std::slice::from_ref(sample)).await;
        }
    }

    pub(crate) async fn append_to(&self, partition: u32, samples: &[Sample]) -> u64 {
        let (value, headers) = loki_wire::sample::write(samples);
        self.append_raw(partition, NewRecord { value: Some(value), headers, ..NewRecord::default() }).await
    }

    pub(crate) async fn append_raw(&self, partition: u32, record: NewRecord) -> u64 {
        self.log.append(&Self::partition(partition), vec![record]).await.unwrap()[0]
    }

    pub(crate) async fn end(&self, partition: u32) -> u64 {
        self.log.bounds(&Self::partition(partition)).await.unwrap().end
    }

    pub(crate) fn project(&self, store: &Arc<dyn SamplesStore>) -> Following {
        let config = SamplesConfig {
            check_every: Duration::from_millis(30),
            identify_every: Duration::from_millis(200),
            unusable_retry: Duration::from_millis(30),
            ..SamplesConfig::new(Topic::new("samples"), Topic::new("facts"), GROUP)
        };
        let (shutdown, health) = (Shutdown::new(), Health::new().component(GROUP));
        let running = run(Arc::new(self.log.clone()), store.clone(), config, self.clock.clone(), health.clone(), shutdown.clone());
        let running = task::spawn("projector", running);
        Following { store: store.clone(), reader: Reader::new(store.clone()), health, shutdown, running }
    }

    /// All partitions are live and at the end of the log.
    pub(crate) async fn caught_up(&self, following: &Following) {
        for partition in 0..PARTITIONS {
            let end = self.end(partition).await;
            until(&format!("partition {partition} at {end}"), async || {
                let stored = following.store.place(partition).await.ok().flatten().map(|place| place.stored);
                stored.is_some_and(|stored| (stored.log, stored.position, stored.state) == (log_id(self.number), end, State::Live))
            })
            .await;
        }
    }
}

/// A projector at work, and a reader of its store.
pub(crate) struct Following {
    pub(crate) store: Arc<dyn SamplesStore>,
    pub(crate) reader: Reader,
    pub(crate) health: Component,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), Error>>,
}

impl Following {
    pub(crate) async fn values(&self, metric: &str) -> Vec<String> {
        let filter = loki_redis::contract::samples::filter(metric, "");
        let page = self.reader.last(&filter, None, 1_000).await.unwrap();
        page.values.iter().map(|(series, last)| format!("{series} {} {}", last.at, last.value)).collect()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.running.await.unwrap().unwrap();
    }
}

/// One series in each partition: `m{host=…}`.
pub(crate) fn one_each(at: i64, value: f64) -> Vec<Sample> {
    let find = |partition| {
        let hosts = (0..100).map(|number| sample("m", &format!("host=h{number}"), at, value));
        hosts.into_iter().find(|sample| sample.series.partition(PARTITIONS) == partition).unwrap()
    };
    (0..PARTITIONS).map(find).collect()
}

/// What is to be read of them.
pub(crate) fn told(samples: &[Sample]) -> Vec<String> {
    let mut told: Vec<String> = samples.iter().map(|sample| format!("{} {} {}", sample.series, sample.at, sample.value)).collect();
    told.sort();
    told
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Stopwatch::start();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        task::sleep(Duration::from_millis(5)).await;
    }
}

fn topic(name: &str, partitions: u32, timestamp: Timestamp) -> TopicSpec {
    TopicSpec { timestamp, ..TopicSpec::new(name, partitions) }
}
