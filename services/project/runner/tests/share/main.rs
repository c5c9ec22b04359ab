//! The loop over many partitions on the embedded log: who holds what, what goes on where, what a slow or failing task means for the others.

mod book;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use book::Book;
use bytes::Bytes;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, NewRecord, Partition, Topic, TopicSpec};
use loki_runner::{Error, Hold, Share, ShareConfig, Told};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);
const PARTITIONS: u32 = 6;
const GROUP: &str = "sink";

struct Given {
    log: Arc<dyn Log>,
    topic: Topic,
    _directory: tempfile::TempDir,
}

impl Given {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(Options::new(directory.path())).await.unwrap();
        let spec = TopicSpec::new("samples", PARTITIONS);
        log.reconcile_topics(&[spec], true).await.unwrap();
        Self { log: Arc::new(log), topic: Topic::new("samples"), _directory: directory }
    }

    fn partition(&self, number: u32) -> Partition {
        Partition::new(self.topic.clone(), number)
    }

    async fn append(&self, number: u32, count: usize) {
        let record = NewRecord { value: Some(Bytes::from_static(b"x")), ..NewRecord::default() };
        self.log.append(&self.partition(number), vec![record; count]).await.unwrap();
    }

    async fn committed(&self, number: u32) -> Option<u64> {
        self.log.committed(GROUP, &self.partition(number)).await.unwrap().map(|committed| committed.position)
    }

    fn share<W, F>(&self, work: W) -> Process
    where
        W: Fn(Hold) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let config = ShareConfig {
            name: "sink",
            topic: self.topic.clone(),
            group: GROUP.into(),
            batch_records_max: 10,
            drain: Duration::from_secs(5),
        };
        let health = Health::new();
        let share = Share::new(self.log.clone(), config, Clock::system(), health.component("sink"));
        let shutdown = Shutdown::new();
        Process { task: task::spawn("share", share.run(work, shutdown.clone())), shutdown, health }
    }
}

struct Process {
    task: JoinHandle<Result<(), Error>>,
    shutdown: Shutdown,
    health: Health,
}

impl Process {
    async fn stop(self) {
        self.shutdown.begin();
        task::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds().await {
        assert!(watch.elapsed() < PATIENCE, "never: {what}");
        task::sleep(Duration::from_millis(5)).await;
    }
}

fn first(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[tokio::test]
async fn each_partition_goes_on_where_the_group_was() {
    let given = Given::new().await;
    for number in 0..PARTITIONS {
        given.append(number, 35).await;
    }
    let book = Book::default();
    let process = given.share({
        let book = book.clone();
        move |hold| book.clone().keep(hold)
    });
    until("everything is done", async || (0..PARTITIONS).all(|number| book.done(number) == first(35))).await;
    until("it is ready", async || process.health.report().ready).await;
    process.stop().await;
    assert_eq!(book.held(), 0, "{}", book.told());
    for number in 0..PARTITIONS {
        assert_eq!(given.committed(number).await, Some(35));
        given.append(number, 5).await;
    }
    let process = given.share({
        let book = book.clone();
        move |hold| book.clone().keep(hold)
    });
    until("the rest is done, nothing twice", async || (0..PARTITIONS).all(|number| book.done(number) == first(40))).await;
    process.stop().await;
}

#[tokio::test]
async fn a_second_process_takes_over_what_the_first_has_finished() {
    let given = Given::new().await;
    let book = Book::default();
    let work = |book: Book| move |hold| book.clone().keep(hold);
    let one = given.share(work(book.clone()));
    until("one holds everything", async || book.held() == PARTITIONS as usize).await;
    let mut appended = 0;
    let mut other = None;
    // the embedded log gives all to the first; the book fails where two hold one
    for round in 0..60 {
        for number in 0..PARTITIONS {
            given.append(number, 3).await;
        }
        appended += 3;
        if round == 20 {
            other = Some(given.share(work(book.clone())));
        }
    }
    let other = other.unwrap();
    until("everything is done once", async || (0..PARTITIONS).all(|number| book.done(number) == first(appended))).await;
    assert_eq!(book.held(), PARTITIONS as usize);
    one.stop().await;
    given.append(0, 1).await;
    until("the second has all", async || book.held() == PARTITIONS as usize && book.done(0) == first(appended + 1)).await;
    other.stop().await;
}

#[tokio::test]
async fn a_slow_task_holds_up_no_other_and_is_not_flooded() {
    let given = Given::new().await;
    for number in 0..PARTITIONS {
        given.append(number, 500).await;
    }
    let (book, gate) = (Book::default(), Arc::new(Semaphore::new(0)));
    let process = given.share({
        let (book, gate) = (book.clone(), gate.clone());
        move |mut hold: Hold| {
            let (book, gate) = (book.clone(), gate.clone());
            async move {
                if hold.partition().number != 0 {
                    return book.keep(hold).await;
                }
                if hold.start(0).await.is_ok() {
                    loop {
                        let permit = hold.end().unless(gate.acquire()).await;
                        let (Some(Ok(permit)), Ok(batch)) = (permit, hold.next().await) else { break };
                        permit.forget();
                        book.0.lock().unwrap().done.entry(0).or_default().extend(batch.records.iter().map(|record| record.offset));
                    }
                }
                Ok(())
            }
        }
    });
    until("the others are done", async || (1..PARTITIONS).all(|number| book.done(number) == first(500))).await;
    assert!(book.done(0).is_empty());
    gate.add_permits(3);
    until("it goes on by batches", async || book.done(0).len() == 30).await;
    gate.add_permits(1_000);
    until("all of it comes in order", async || book.done(0) == first(500)).await;
    process.stop().await;
}

#[tokio::test]
async fn a_task_that_ends_is_started_again_and_says_what_ails_it() {
    let given = Given::new().await;
    given.append(3, 20).await;
    let times = Arc::new(Mutex::new(0));
    let process = given.share({
        let times = times.clone();
        move |mut hold: Hold| {
            let times = times.clone();
            async move {
                if hold.partition().number != 3 {
                    hold.gone().await;
                    return Ok(());
                }
                let number = {
                    let mut times = times.lock().unwrap();
                    *times += 1;
                    *times
                };
                // beyond the end: it is told so, and begins again
                if number == 1 {
                    assert!(hold.start(1_000).await.is_err());
                    return Ok(());
                }
                hold.ails("the store is away");
                hold.commit(7);
                hold.gone().await;
                Ok(())
            }
        }
    });
    let noted = async || {
        let committed = given.log.committed(GROUP, &given.partition(3)).await.unwrap();
        committed.is_some_and(|committed| {
            let told = committed.note.as_deref().and_then(Told::from_note);
            committed.position == 7 && told.is_some_and(|told| told.text == "the store is away" && told.at_ms > 0)
        })
    };
    until("what ails it is told beside the offset", noted).await;
    until("it is not ready, and why", async || process.health.report().components["sink"] == "the store is away").await;
    process.stop().await;
}

#[tokio::test]
async fn work_that_fails_ends_the_loop() {
    let given = Given::new().await;
    let process = given.share(|_hold| async { Err(Error::Work("the disk is full".into())) });
    let ended = task::timeout(PATIENCE, process.task).await.expect("it ends").unwrap();
    assert!(ended.unwrap_err().to_string().contains("the disk is full"));
    let process = given.share(|_hold| async { panic!("told to") });
    let ended = task::timeout(PATIENCE, process.task).await.expect("it ends").unwrap();
    assert!(matches!(ended, Err(Error::Work(_))));
}
