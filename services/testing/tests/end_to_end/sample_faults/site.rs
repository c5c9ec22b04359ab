//! The platform with two sinks over an OpenTSDB of its own, what is killed of it, and what is there in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, Partition, Record, Topic};
use loki_testing::real::{OpenTsdb, Running, opentsdb_counter, opentsdb_fsck};
use loki_wire::Topics;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use super::given::Generator;
use super::model::Cells;
use super::now_ms;
use crate::api::{Api, PATIENCE};
use crate::platform::{Backends, Platform};

/// Two, so that partitions move when one is killed.
const SINKS: [&str; 2] = ["opentsdb", "opentsdb-2"];
/// What `loki verify` compares, and what the API is ready with: the log has its id of the decider.
const OTHERS: [&str; 5] = ["decider", "mysql", "zookeeper", "redis", "api"];
/// Every query that the counter counts has failed.
const FAILED: &str = "tsd.compaction.duplicates";

pub(super) struct Site {
    pub(super) platform: Platform,
    pub(super) log: KafkaLog,
    pub(super) topics: Topics,
    pub(super) partitions: u32,
    kafka: String,
    opentsdb: Running,
}

impl Site {
    pub(super) async fn start() -> Self {
        let starting = tokio::task::spawn_blocking(|| Running::start(&OpenTsdb).unwrap());
        let backends = Backends::shared();
        let mut platform = Platform::prepared(&backends).await;
        let opentsdb = starting.await.unwrap();
        platform.set("LOKI__OPENTSDB__ADDRESSES", opentsdb.url());
        for name in OTHERS {
            platform.spawn(name, name);
        }
        for name in SINKS {
            platform.spawn(name, SINKS[0]);
        }
        for name in OTHERS.into_iter().chain(SINKS) {
            platform.ready(name).await;
        }
        let topics = Topics::new(&platform.prefix);
        let specs = loki_log::declared(&platform.prefix);
        let partitions = specs.iter().find(|declared| declared.spec.name == topics.samples).unwrap().spec.partitions;
        let log = KafkaLog::connect(Config::new(&backends.kafka)).unwrap();
        Self { platform, log, topics, partitions, kafka: backends.kafka, opentsdb }
    }

    fn samples(&self) -> impl Iterator<Item = Partition> {
        let topic = Topic::new(&self.topics.samples);
        (0..self.partitions).map(move |number| Partition::new(topic.clone(), number))
    }

    fn group(&self) -> String {
        self.topics.group(SINKS[0])
    }

    /// Where each partition is, and where it ends.
    async fn positions(&self) -> Vec<(u64, u64)> {
        let mut positions = Vec::new();
        for partition in self.samples() {
            let committed = self.log.committed(&self.group(), &partition).await.unwrap();
            let end = self.log.bounds(&partition).await.unwrap().end;
            positions.push((committed.map_or(0, |committed| committed.position), end));
        }
        positions
    }

    /// Records that the sinks are done with.
    pub(super) async fn committed(&self) -> u64 {
        self.positions().await.iter().map(|(committed, _)| committed).sum()
    }

    /// Waits until the sinks are done with so many records.
    pub(super) async fn progress(&self, wanted: u64) {
        let started = Instant::now();
        while self.committed().await < wanted {
            assert!(started.elapsed() < PATIENCE, "no progress: {:?}", self.positions().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the sinks are done with all records, those that they have moved too.
    pub(super) async fn settled(&self) {
        let started = Instant::now();
        loop {
            let (before, after) = (self.positions().await, self.positions().await);
            if before == after && after.iter().all(|(committed, end)| committed == end) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the sinks do not come to the end: {after:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// kill -9 of a sink, of the OpenTSDB daemon, or of both at once; then everything has come back.
    pub(super) async fn kill(&mut self, round: usize) {
        let sink = SINKS[round / 3 % SINKS.len()];
        let (kills_sink, kills_opentsdb) = [(true, false), (false, true), (true, true)][round % 3];
        if kills_opentsdb {
            assert_eq!(self.failed_queries().await, 0, "before round {round}");
            self.opentsdb.kill().unwrap();
        }
        if kills_sink {
            self.platform.kill(sink);
            self.platform.spawn(sink, SINKS[0]);
        }
        if kills_opentsdb {
            tokio::task::block_in_place(|| self.opentsdb.restart().unwrap());
        }
        for sink in SINKS {
            self.platform.ready(sink).await;
        }
    }

    /// What the daemon says of queries that met two values at one instant, since it was started.
    pub(super) async fn failed_queries(&self) -> u64 {
        let url = self.opentsdb.url();
        tokio::task::spawn_blocking(move || opentsdb_counter(&url, FAILED).unwrap()).await.unwrap()
    }

    /// Has the sinks begin again at the start of the log, as after a loss of the group's offsets.
    pub(super) async fn rewind(&mut self) {
        SINKS.iter().for_each(|sink| self.platform.stop(sink));
        let mut starts = TopicPartitionList::new();
        for partition in self.samples() {
            let number = i32::try_from(partition.number).unwrap();
            starts.add_partition_offset(&self.topics.samples, number, Offset::Offset(0)).unwrap();
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka).set("group.id", self.group());
        let commit = move || config.create::<BaseConsumer>().unwrap().commit(&starts, CommitMode::Sync).unwrap();
        tokio::task::spawn_blocking(commit).await.unwrap();
        assert_eq!(self.committed().await, 0);
        SINKS.iter().for_each(|sink| self.platform.spawn(sink, SINKS[0]));
    }

    /// OpenTSDB's repair tool finds nothing to repair in anything that is stored.
    pub(super) fn fsck(&self) {
        for metric in Generator::metrics() {
            let output = tokio::task::block_in_place(|| opentsdb_fsck(self.opentsdb.home(), &["20d-ago", "sum", metric]).unwrap());
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("Duplicate Datapoints: 0\n"), "{metric}: {}\n{said}", output.status);
        }
    }

    /// Everything that the store holds, asked for through the platform.
    pub(super) async fn stored(&self) -> Cells {
        let mut cells = Cells::new();
        for metric in Generator::metrics() {
            let (status, answer) = self.platform.api.get(&query(metric, "*", "20d-ago")).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            for line in answer.as_array().unwrap() {
                let (series, points) = read(metric, line);
                assert!(cells.insert(series, points).is_none(), "{line}");
            }
        }
        cells
    }

    /// Reads a partition from its start to where it ends now.
    pub(super) async fn each(&self, partition: &Partition, mut read: impl FnMut(&Record)) {
        let bounds = self.log.bounds(partition).await.unwrap();
        let mut reader = self.log.reader(partition, bounds.start).await.unwrap();
        while reader.position() < bounds.end {
            reader.read(1_000, PATIENCE).await.unwrap().records.iter().for_each(&mut read);
        }
    }
}

/// Each series of a metric and a host for itself, in milliseconds, and those points as well that are dated a little ahead.
pub(super) fn query(metric: &str, host: &str, start: &str) -> String {
    let end = now_ms() / 1_000 + 3_600;
    format!("/api/query?start={start}&end={end}&ms=true&arrays=true&m=none:{metric}%7Bhost={host},core=*%7D")
}

fn read(metric: &str, line: &Value) -> (String, BTreeMap<i64, f64>) {
    let tags: BTreeMap<String, String> = serde_json::from_value(line["tags"].clone()).unwrap();
    let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let points = line["dps"].as_array().unwrap();
    let read: BTreeMap<i64, f64> = points.iter().map(|point| (point[0].as_i64().unwrap(), point[1].as_f64().unwrap())).collect();
    assert_eq!(read.len(), points.len(), "an instant is there twice: {line}");
    (format!("{metric}{{{}}}", tags.join(",")), read)
}

/// Asks without a break while processes are killed; every answer that comes is a good one. How many came.
pub(super) async fn ask(api: Api, mut done: tokio::sync::watch::Receiver<bool>) -> usize {
    let mut answered = 0;
    for number in 0.. {
        let metric = Generator::metrics()[number % Generator::metrics().len()];
        match api.get(&query(metric, &format!("h{}", number % 10), "2h-ago")).await {
            Ok((200, _)) => answered += 1,
            // the daemon is away, or starting
            Ok((503, _)) | Err(_) => {}
            Ok((400, answer)) if answered < 50 && answer.to_string().contains("No such name") => {}
            Ok((status, answer)) => panic!("{status} {answer}"),
        }
        if tokio::time::timeout(Duration::from_millis(100), done.wait_for(|done| *done)).await.is_ok() {
            break;
        }
    }
    answered
}
