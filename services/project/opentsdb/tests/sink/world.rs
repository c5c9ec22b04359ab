//! An embedded log with the samples' topic, a store in memory, and a sink between them that can be killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loki_domain::{Sample, Series};
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Cleanup, Log, NewRecord, Partition, Record, Topic, TopicSpec};
use loki_opentsdb::contract::{MemoryStore, sample, series};
use loki_opentsdb::{Error, Sink, SinkConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::dead::DeadLetter;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const PARTITIONS: u32 = 3;
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) log: SqliteLog,
    pub(crate) store: MemoryStore,
    pub(crate) clock: Clock,
    pub(crate) config: SinkConfig,
    pub(crate) health: Health,
    running: Option<(JoinHandle<Result<(), Error>>, Shutdown)>,
    _folder: TempDir,
}

fn spec(name: &str, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        cleanup,
        retention_ms: (cleanup == Cleanup::Delete).then_some(7 * 86_400_000),
        max_message_bytes: 1_114_112,
        ..TopicSpec::new(name, partitions)
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(NOW_MS);
        let log = SqliteLog::open(Options { clock: clock.clone(), ..Options::new(folder.path()) }).await.unwrap();
        let specs = [spec("loki.samples", PARTITIONS, Cleanup::Delete), spec("loki.dead", 1, Cleanup::Compact)];
        log.reconcile_topics(&specs, true).await.unwrap();
        let config = SinkConfig {
            batch_points: 200,
            batch_wait: Duration::from_millis(10),
            in_flight: 4,
            late_points: 50,
            drain: Duration::from_secs(2),
            backoff: (Duration::from_millis(5), Duration::from_millis(50)),
            ..SinkConfig::new("loki.samples", "loki.dead", "opentsdb", PARTITIONS)
        };
        let (store, health) = (MemoryStore::default(), Health::new());
        Self { log, store, clock, config, health, running: None, _folder: folder }
    }

    pub(crate) fn start(&mut self) {
        let sink =
            Sink::new(Arc::new(self.store.clone()), Arc::new(self.log.clone()), self.config.clone(), self.clock.clone(), &self.health);
        let shutdown = Shutdown::new();
        self.running = Some((task::spawn("sink", sink.run(shutdown.clone())), shutdown));
    }

    /// Nothing of it is left, nor of what the store had not made durable.
    pub(crate) async fn kill(&mut self) {
        if let Some((running, _)) = self.running.take() {
            running.abort();
            self.store.crash();
            let _killed = running.await;
        }
    }

    pub(crate) async fn stop(&mut self) {
        if let Some((running, shutdown)) = self.running.take() {
            shutdown.begin();
            running.await.unwrap().unwrap();
        }
    }

    pub(crate) fn partition(number: u32) -> Partition {
        Partition::new(Topic::new("loki.samples"), number)
    }

    /// Appends one record with these points to the partition of the first.
    pub(crate) async fn send(&self, samples: &[Sample]) -> u64 {
        let (value, headers) = loki_wire::sample::write(samples);
        let partition = Self::partition(samples[0].series.partition(PARTITIONS));
        let record = NewRecord { value: Some(value), headers, ..NewRecord::default() };
        self.log.append(&partition, vec![record]).await.unwrap()[0]
    }

    pub(crate) async fn send_raw(&self, partition: u32, values: Vec<String>) {
        let record = |value: String| NewRecord { value: Some(Bytes::from(value)), ..NewRecord::default() };
        self.log.append(&Self::partition(partition), values.into_iter().map(record).collect()).await.unwrap();
    }

    pub(crate) async fn committed(&self, partition: u32) -> u64 {
        self.log.committed(&self.config.group, &Self::partition(partition)).await.unwrap().map_or(0, |committed| committed.position)
    }

    /// Waits until everything is finished and committed, copies that the sink itself appends included.
    pub(crate) async fn finished(&self) {
        let watch = Stopwatch::start();
        loop {
            let mut left = Vec::new();
            for number in 0..PARTITIONS {
                let (end, committed) = (self.log.bounds(&Self::partition(number)).await.unwrap().end, self.committed(number).await);
                if committed < end {
                    left.push((number, committed, end));
                }
            }
            if left.is_empty() {
                return;
            }
            assert!(watch.elapsed() < PATIENCE, "partitions (number, committed, end) are left: {left:?}, {:?}", self.health.report());
            task::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn read(&self, partition: &Partition) -> Vec<Record> {
        let mut reader = self.log.reader(partition, 0).await.unwrap();
        let mut records = Vec::new();
        loop {
            let batch = reader.read(10_000, Duration::from_secs(5)).await.unwrap();
            records.extend(batch.records);
            if batch.at_end {
                return records;
            }
        }
    }

    /// Dead letters by their id, how often each was written.
    pub(crate) async fn dead(&self) -> BTreeMap<String, (DeadLetter, usize)> {
        let mut letters = BTreeMap::new();
        for record in self.read(&Partition::only(&Topic::new("loki.dead"))).await {
            let letter = DeadLetter::read(record.value.as_ref().unwrap(), &record.headers).unwrap();
            assert_eq!(record.key.as_deref(), Some(letter.id().as_bytes()));
            letters.entry(letter.id()).or_insert((letter, 0)).1 += 1;
        }
        letters
    }

    /// What is stored of a series: milliseconds and values.
    pub(crate) fn stored(&self, series: &Series) -> Vec<(i64, Vec<f64>)> {
        let of = |((of, at), values): ((Series, loki_domain::Instant), Vec<loki_domain::Value>)| {
            (of == *series).then(|| (at.ms(), values.iter().map(|value| value.get()).collect()))
        };
        self.store.cells().into_iter().filter_map(of).collect()
    }
}

pub(crate) fn host(name: &str) -> Series {
    series(&"m".parse().unwrap(), &[("host", name)])
}

pub(crate) fn point(name: &str, ms: i64, value: f64) -> Sample {
    sample(&host(name), ms, value)
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !is() {
        assert!(watch.elapsed() < PATIENCE, "{what}");
        task::sleep(Duration::from_millis(5)).await;
    }
}
