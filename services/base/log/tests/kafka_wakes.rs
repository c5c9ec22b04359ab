//! Who waits on Kafka is woken by what arrives, not by looking again from time to time.

use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{self, Either};
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Event, Log, Member, NewRecord, Partition, Reader, Topic, TopicSpec};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::real;

const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(200);
/// The wait that is asked for, which nothing here sees the end of.
const LONG: Duration = Duration::from_secs(3_600);

async fn topic() -> (KafkaLog, Partition) {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.unwrap();
    let log = KafkaLog::connect(Config { session_timeout: PATIENCE, request_timeout: PATIENCE, ..Config::new(address) }).unwrap();
    let spec = TopicSpec::new(format!("{}t", real::topic_prefix()), 1);
    let partition = Partition::only(&Topic::new(&spec.name));
    log.reconcile_topics(&[spec], true).await.unwrap();
    (log, partition)
}

async fn append(log: &KafkaLog, partition: &Partition, number: usize) {
    let record = NewRecord { value: Some(Bytes::from(number.to_string())), ..NewRecord::default() };
    log.append(partition, vec![record]).await.unwrap();
}

/// Waits where no timer ever fires, so that the second look which makes up for a lost wake-up does not come; calls when it waits.
async fn woken<T: Send + 'static>(wait: impl Future<Output = T> + Send + 'static, call: impl Future<Output = ()>) -> T {
    let (waits, waiting) = oneshot::channel();
    let (gives_up, given_up) = oneshot::channel::<()>();
    let thread = task::spawn_blocking("waits", move || {
        // whoever runs on such a runtime drives its timers, and nobody does
        let still = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = still.enter();
        let (mut wait, mut waits) = (Box::pin(wait), Some(waits));
        let wait = future::poll_fn(|context| {
            let polled = wait.as_mut().poll(context);
            if polled.is_pending()
                && let Some(waits) = waits.take()
            {
                waits.send(()).unwrap();
            }
            polled
        });
        match futures::executor::block_on(future::select(wait, given_up)) {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    });
    // it may have ended before it had to wait
    let _waits = waiting.await;
    call.await;
    let ended = task::timeout(PATIENCE, thread).await;
    drop(gives_up);
    ended.expect("nothing woke it").unwrap().expect("it was not given up")
}

async fn read(mut reader: Box<dyn Reader>) -> (Box<dyn Reader>, Vec<Option<Bytes>>) {
    loop {
        let batch = reader.read(10, LONG).await.unwrap();
        if !batch.records.is_empty() {
            return (reader, batch.records.into_iter().map(|record| record.value).collect());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_woken_without_a_clock() {
    let (log, partition) = topic().await;
    let mut reader = log.reader(&partition, 0).await.unwrap();
    let watch = Stopwatch::start();
    while !reader.read(10, STEP).await.unwrap().at_end {
        assert!(watch.elapsed() < PATIENCE, "the end was not told");
    }
    for number in 0..5 {
        let (again, values) = woken(read(reader), append(&log, &partition, number)).await;
        assert_eq!(values, [Some(Bytes::from(number.to_string()))]);
        reader = again;
    }
}

async fn next(mut member: Box<dyn Member>) -> (Box<dyn Member>, Vec<Option<Bytes>>) {
    loop {
        if let Event::Records { batch, .. } = member.next(10, LONG).await.unwrap()
            && !batch.records.is_empty()
        {
            return (member, batch.records.into_iter().map(|record| record.value).collect());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_woken_without_a_clock() {
    let (log, partition) = topic().await;
    let mut member = log.member(&format!("{}g", real::topic_prefix()), std::slice::from_ref(&partition.topic)).await.unwrap();
    let watch = Stopwatch::start();
    while !matches!(member.next(10, STEP).await.unwrap(), Event::Assigned(_)) {
        assert!(watch.elapsed() < PATIENCE, "nothing was assigned");
    }
    member.start(&partition, 0).await.unwrap();
    for number in 0..5 {
        let (again, values) = woken(next(member), append(&log, &partition, number)).await;
        assert_eq!(values, [Some(Bytes::from(number.to_string()))]);
        member = again;
    }
    member.leave().await.unwrap();
}
