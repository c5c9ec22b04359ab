//! The loop over many partitions: processes join, leave and are killed while records keep coming. Kafka moves partitions between them.

#[path = "../share/book.rs"]
mod book;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Log, NewRecord, Partition, Topic, TopicSpec};
use loki_runner::{Error, Share, ShareConfig};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_testing::real;
use tokio::task::JoinHandle;

use book::Book;

const PATIENCE: Duration = Duration::from_secs(240);
const PARTITIONS: u32 = 6;

struct Process {
    shutdown: Shutdown,
    health: Health,
    task: JoinHandle<Result<(), Error>>,
}

impl Process {
    fn start(topic: &Topic, book: &Book) -> Self {
        // a machine that stalls for seconds does not cost a membership: what is lost that way is begun again, which is another test's matter
        let log = KafkaLog::connect(Config { session_timeout: Duration::from_secs(60), ..Config::new(&real::shared().kafka) }).unwrap();
        let config = ShareConfig {
            name: "sink",
            topic: topic.clone(),
            group: format!("{topic}.sink"),
            batch_records_max: 100,
            drain: Duration::from_secs(5),
        };
        let (shutdown, book, health) = (Shutdown::new(), book.clone(), Health::new());
        let share = Share::new(Arc::new(log), config, Clock::system(), health.component("sink"));
        Self { task: task::spawn("share", share.run(move |hold| book.clone().keep(hold), shutdown.clone())), shutdown, health }
    }

    async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }

    /// As if the process were gone: nothing is finished, the group hears nothing. What its tasks held is let go of, since they are gone as well.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

async fn until(what: &str, processes: &[&Process], book: &Book, mut holds: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds().await {
        let in_time = watch.elapsed() < PATIENCE && !processes.iter().any(|process| process.task.is_finished());
        let said = || processes.iter().map(|process| (process.task.is_finished(), process.health.report())).collect::<Vec<_>>();
        assert!(in_time, "not yet: {what}; {}; ended, and said: {:?}", book.told(), said());
        task::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_and_nothing_is_left_out() {
    let topic = Topic::new(format!("{}samples", real::topic_prefix()));
    let log = KafkaLog::connect(Config::new(&real::shared().kafka)).unwrap();
    let spec = TopicSpec::new(topic.to_string(), PARTITIONS);
    log.reconcile_topics(&[spec], true).await.unwrap();
    let record = NewRecord { value: Some(Bytes::from_static(b"x")), ..NewRecord::default() };
    let append = async |count: usize| {
        for number in 0..PARTITIONS {
            log.append(&Partition::new(topic.clone(), number), vec![record.clone(); count]).await.unwrap();
        }
    };
    let is_complete = |book: &Book, count: u64| (0..PARTITIONS).all(|number| book.done(number) == (0..count).collect::<Vec<_>>());

    // in order, nothing is done twice: a partition goes only when its work is finished and stored
    let book = Book::default();
    let one = Process::start(&topic, &book);
    append(200).await;
    until("one has done everything", &[&one], &book, async || is_complete(&book, 200)).await;
    let other = Process::start(&topic, &book);
    until("partitions have moved", &[&one, &other], &book, async || {
        append(10).await;
        book.0.lock().unwrap().begun.values().filter(|begun| **begun > 1).count() >= 2
    })
    .await;
    one.stop().await;
    append(50).await;
    let end = log.bounds(&Partition::new(topic.clone(), 0)).await.unwrap().end;
    until("the other has done the rest, each once", &[&other], &book, async || is_complete(&book, end)).await;

    // after a kill some is done again, and nothing is left out
    append(2_000).await;
    other.kill().await;
    book.0.lock().unwrap().held.clear();
    let third = Process::start(&topic, &book);
    let end = log.bounds(&Partition::new(topic.clone(), 0)).await.unwrap().end;
    until("a third has done the rest", &[&third], &book, async || {
        (0..PARTITIONS).all(|number| {
            let done: std::collections::BTreeSet<u64> = book.done(number).into_iter().collect();
            done.len() as u64 == end
        })
    })
    .await;
    third.stop().await;
    assert_eq!(book.held(), 0);
}
