//! Records that other producers write and Loki's own never would; kcat writes them.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, Partition, Record, Topic, TopicSpec};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::real;

const PATIENCE: Duration = Duration::from_secs(60);

struct Foreign {
    address: String,
    log: KafkaLog,
    partition: Partition,
}

impl Foreign {
    async fn new() -> Self {
        let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.unwrap();
        let log = KafkaLog::connect(Config::new(&address)).unwrap();
        let spec = TopicSpec::new(format!("{}t", real::topic_prefix()), 1);
        log.reconcile_topics(std::slice::from_ref(&spec), true).await.unwrap();
        Self { address, log, partition: Partition::only(&Topic::new(spec.name)) }
    }

    async fn produce(&self, arguments: &[&[u8]], value: Vec<u8>) {
        let mut kcat = Command::new("kcat");
        kcat.args(["-P", "-b", &self.address, "-t", self.partition.topic.as_str(), "-p", "0"]);
        kcat.args(arguments.iter().map(|argument| OsStr::from_bytes(argument))).stdin(Stdio::piped());
        let work = move || {
            let mut child = kcat.spawn().expect("kcat is installed by `services/testing/stack/install.sh`");
            child.stdin.take().unwrap().write_all(&value).unwrap();
            assert!(child.wait().unwrap().success());
        };
        task::spawn_blocking("kcat", work).await.unwrap();
    }

    async fn read(&self, count: usize) -> Vec<Record> {
        let mut reader = self.log.reader(&self.partition, 0).await.unwrap();
        let watch = Stopwatch::start();
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(reader.read(10, PATIENCE).await.unwrap().records);
            assert!(watch.elapsed() < PATIENCE, "{} of {count} records", records.len());
        }
        records
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_whose_name_is_no_text_stops_nobody() {
    let foreign = Foreign::new().await;
    foreign.produce(&[b"-H", b"before=1", b"-H", b"\xff=2", b"-H", b"after=3"], b"a".to_vec()).await;
    foreign.produce(&[], b"b".to_vec()).await;
    let records = foreign.read(2).await;
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    assert_eq!(records[0].headers, [header("before", b"1"), header("\u{fffd}", b""), header("after", b"3")]);
    assert_eq!(records[0].value.as_deref(), Some(b"a".as_slice()));
    assert_eq!(records[1].value.as_deref(), Some(b"b".as_slice()));
}

/// The broker holds its limit against the compressed batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_may_be_larger_than_the_limit_says() {
    let foreign = Foreign::new().await;
    foreign.produce(&[b"-z", b"lz4", b"-X", b"message.max.bytes=16000000"], vec![b'x'; 5_000_000]).await;
    assert_eq!(foreign.read(1).await[0].value.as_ref().map(Bytes::len), Some(5_000_000));
}
