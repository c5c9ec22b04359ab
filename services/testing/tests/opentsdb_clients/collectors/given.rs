//! An embedded log with both ways into it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loki_intake::telnet::Config;
use loki_intake::{Intake, Telnet};
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Partition, Topic, TopicSpec};
use loki_runtime::{Shutdown, task};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const PARTITIONS: u32 = 4;

pub(super) struct Given {
    log: SqliteLog,
    topic: Topic,
    pub(super) intake: Intake,
    pub(super) folder: TempDir,
}

impl Given {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(Options::new(folder.path())).await.unwrap();
        let spec = TopicSpec::new("samples", PARTITIONS);
        log.reconcile_topics(&[spec], true).await.unwrap();
        let topic = Topic::new("samples");
        let intake = Intake::new(Arc::new(log.clone()), topic.clone(), PARTITIONS);
        Self { log, topic, intake, folder }
    }

    /// All points, `series instant value`, sorted.
    pub(super) async fn points(&self) -> Vec<String> {
        let mut points = Vec::new();
        for number in 0..PARTITIONS {
            let partition = Partition::new(self.topic.clone(), number);
            let end = self.log.bounds(&partition).await.unwrap().end;
            let mut reader = self.log.reader(&partition, 0).await.unwrap();
            while reader.position() < end {
                for record in reader.read(100, PATIENCE).await.unwrap().records {
                    let samples = loki_wire::sample::read(record.value.as_ref(), &record.headers).unwrap();
                    points.extend(samples.into_iter().map(Result::unwrap).map(|one| format!("{} {} {}", one.series, one.at, one.value)));
                }
            }
        }
        points.sort();
        points
    }
}

/// The telnet listener; [`Listener::stop`] waits until connections have appended what they read.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), loki_intake::Error>>,
}

impl Listener {
    pub(super) async fn start(given: &Given) -> Self {
        let telnet = Telnet::bind(Config::new("127.0.0.1:0".parse().unwrap()), given.intake.clone()).await.unwrap();
        let (address, shutdown) = (telnet.address().unwrap(), Shutdown::new());
        Self { address, task: task::spawn("telnet", telnet.run(shutdown.clone())), shutdown }
    }

    pub(super) async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }
}
