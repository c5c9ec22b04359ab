//! The loop on Kafka: transaction markers, a store that hangs for longer than the session, a broker that is killed, a hand-over.

use std::sync::Arc;
use std::time::Duration;

use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Class, Cleanup, Committed, Log, Partition, Timestamp, Topic, TopicSpec, Writer};
use loki_runner::testing::{MemoryStore, command, fold, log_id, node, opening};
use loki_runner::{Error, Mode, Runner, RunnerConfig, Snapshot, Status};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_testing::real::{self, Running as Broker};
use tokio::task::JoinHandle;

/// A broker that was killed takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const SESSION: Duration = Duration::from_secs(15);
const GROUP: &str = "store";

struct Running {
    status: Status,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(address: &str, store: &MemoryStore, facts: &Partition) -> Self {
        let log = KafkaLog::connect(Config { session_timeout: SESSION, ..Config::new(address) }).unwrap();
        let config = RunnerConfig { store_timeout: PATIENCE, ..RunnerConfig::new(facts.topic.clone(), facts.topic.clone(), GROUP) };
        let runner = Runner::new(store.projection("memory"), Arc::new(log), config, Clock::system(), &Health::new());
        let (status, shutdown) = (runner.status(), Shutdown::new());
        Self { status, task: task::spawn("runner", runner.run(shutdown.clone())), shutdown }
    }

    async fn until(&self, what: &str, holds: impl FnMut(&Snapshot) -> bool) {
        let reached = task::timeout(PATIENCE, self.status.until(holds)).await;
        assert!(matches!(reached, Some(Some(_))), "never {what}: {:?}", self.status.now());
    }

    async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }
}

async fn create(log: &KafkaLog) -> Partition {
    let spec = TopicSpec { cleanup: Cleanup::Compact, timestamp: Timestamp::Create, ..TopicSpec::new("facts", 1) };
    log.reconcile_topics(&[spec], true).await.unwrap();
    Partition::only(&Topic::new("facts"))
}

/// A broker that has just started may not have made its coordinators yet.
async fn open_writer(log: &KafkaLog) -> Box<dyn Writer> {
    let watch = Stopwatch::start();
    loop {
        match log.writer("decider").await {
            Ok(writer) => return writer,
            Err(error) => assert!(error.class() == Class::Retry && watch.elapsed() < PATIENCE, "{error}"),
        }
        task::sleep(Duration::from_millis(100)).await;
    }
}

/// Transactions of ten commands. Ends when readers get the last one: its marker may be written after the commit was acknowledged.
async fn write(log: &KafkaLog, writer: &mut dyn Writer, facts: &Partition, commands: std::ops::Range<u64>) {
    let mut last = None;
    for n in commands {
        let changes: Vec<_> = (0..5).map(|i| node((n % 300) as u32 + i, &format!("n{i}-{n}"))).collect();
        last = writer.append(facts, command(n, &changes, n % 3 != 0)).await.unwrap().pop();
        if n % 10 == 9 {
            writer.commit(None).await.unwrap();
        }
    }
    writer.commit(None).await.unwrap();
    let watch = Stopwatch::start();
    while log.bounds(facts).await.unwrap().end <= last.unwrap() + 1 {
        assert!(watch.elapsed() < PATIENCE, "the last transaction stays open");
        task::sleep(Duration::from_millis(20)).await;
    }
}

async fn caught_up(log: &KafkaLog, facts: &Partition, store: &MemoryStore, running: &Running) {
    let end = log.bounds(facts).await.unwrap().end;
    running.until("at the end", |snapshot| snapshot.is_caught_up() && snapshot.position() == Some(end)).await;
    let mut reader = log.reader(facts, 0).await.unwrap();
    let mut records = Vec::new();
    loop {
        let batch = reader.read(1_000, PATIENCE).await.unwrap();
        records.extend(batch.records);
        if batch.at_end {
            break;
        }
    }
    let main = store.main().unwrap();
    assert_eq!(main.rows, fold(&records));
    assert_eq!(main.applied, records.iter().map(|record| record.offset).collect::<Vec<_>>());
    assert_eq!(store.breaches(), Vec::<String>::new());
    assert_eq!(store.swaps(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_follows_kafka() {
    let mut broker = task::spawn_blocking("broker", || Broker::start(&real::Kafka).unwrap()).await.unwrap();
    let address = broker.address().to_owned();
    let log = KafkaLog::connect(Config::new(&address)).unwrap();
    let facts = create(&log).await;
    let store = MemoryStore::new();

    let first = Running::start(&address, &store, &facts);
    first.until("waiting for the log's id", |snapshot| snapshot.mode == Mode::WaitingForLog).await;
    let mut writer = open_writer(&log).await;
    writer.append(&facts, vec![opening(log_id(1))]).await.unwrap();
    write(&log, &mut *writer, &facts, 0..3_000).await;
    caught_up(&log, &facts, &store, &first).await;

    // A store that hangs for longer than the session does not cost the membership.
    let second = Running::start(&address, &store, &facts);
    second.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy).await;
    store.set_hanging(true);
    write(&log, &mut *writer, &facts, 3_000..4_000).await;
    let watch = Stopwatch::start();
    while watch.elapsed() < SESSION + SESSION / 2 {
        task::sleep(Duration::from_millis(200)).await;
        assert_eq!(second.status.now().mode, Mode::StandingBy);
    }
    assert_eq!(store.hanging(), 1);
    store.set_hanging(false);
    caught_up(&log, &facts, &store, &first).await;

    // A broker that is killed is waited for.
    broker = task::spawn_blocking("kill", move || {
        broker.kill().unwrap();
        broker
    })
    .await
    .unwrap();
    first.until("without a log", |snapshot| snapshot.log_away.is_some()).await;
    broker = task::spawn_blocking("restart", move || {
        broker.restart().unwrap();
        broker
    })
    .await
    .unwrap();
    let mut writer = open_writer(&log).await;
    write(&log, &mut *writer, &facts, 4_000..4_200).await;
    let end = log.bounds(&facts).await.unwrap().end;
    let watch = Stopwatch::start();
    while store.stored().is_none_or(|stored| stored.position < end) {
        assert!(watch.elapsed() < PATIENCE, "{:?}", store.stored());
        task::sleep(Duration::from_millis(50)).await;
    }

    // Whoever holds it hands over.
    let (holder, other) = loop {
        match (first.status.now().is_caught_up(), second.status.now().is_caught_up()) {
            (true, _) => break (first, second),
            (_, true) => break (second, first),
            _ => assert!(watch.elapsed() < PATIENCE, "{:?} {:?}", first.status.now(), second.status.now()),
        }
        task::sleep(Duration::from_millis(50)).await;
    };
    other.until("standing by", |snapshot| snapshot.mode == Mode::StandingBy && snapshot.log_away.is_none()).await;
    caught_up(&log, &facts, &store, &holder).await;
    holder.stop().await;
    assert_eq!(log.committed(GROUP, &facts).await.unwrap(), Some(Committed { position: end, note: None }));
    write(&log, &mut *writer, &facts, 4_200..4_400).await;
    caught_up(&log, &facts, &store, &other).await;
    other.stop().await;
    drop(broker);
}
