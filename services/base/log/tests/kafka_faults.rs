//! Brokers that are away, come back, or stand still.

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use loki_log::kafka::{Config, KafkaLog};
use loki_log::{Class, Error, Event, Log, Member, NewRecord, Partition, Topic, TopicSpec, Writer};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, task};
use loki_testing::real::{self, Running};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(200);
/// Far more than the second that an impatient call is given, far less than a call that hangs.
const IN_TIME: Duration = Duration::from_secs(30);

fn record(value: &str) -> NewRecord {
    NewRecord { value: Some(Bytes::copy_from_slice(value.as_bytes())), ..NewRecord::default() }
}

/// For what must say `Away`, and nothing else: a machine that stalls for a second makes it say so of a good broker, too.
fn impatient(address: &str) -> Config {
    Config { request_timeout: Duration::from_secs(1), ..Config::new(address) }
}

/// For what must succeed.
fn patient(address: &str) -> Config {
    Config { session_timeout: PATIENCE / 2, transaction_timeout: PATIENCE, request_timeout: PATIENCE, ..Config::new(address) }
}

fn spec(name: &str) -> TopicSpec {
    TopicSpec::new(name, 1)
}

async fn create(log: &KafkaLog, name: &str) -> Partition {
    log.reconcile_topics(&[spec(name)], true).await.unwrap();
    Partition::only(&Topic::new(name))
}

async fn start() -> Running {
    task::spawn_blocking("broker", || Running::start(&real::Kafka).unwrap()).await.unwrap()
}

/// Every call says `Away`, and says it in time.
async fn all_calls_are_away(address: &str) {
    let log = KafkaLog::connect(impatient(address)).unwrap();
    let partition = Partition::only(&Topic::new("t"));
    async fn away<T>(what: &str, call: impl Future<Output = loki_log::Result<T>>) {
        let result = task::timeout(IN_TIME, call).await.unwrap_or_else(|| panic!("{what} hangs"));
        let error = result.err().unwrap_or_else(|| panic!("{what} succeeded without a broker"));
        assert_eq!(error.class(), Class::Retry, "{what}: {error}");
    }
    away("append", log.append(&partition, vec![record("a")])).await;
    away("bounds", log.bounds(&partition)).await;
    away("offset_at", log.offset_at(&partition, 0)).await;
    away("reader", log.reader(&partition, 0)).await;
    away("member", log.member("g", std::slice::from_ref(&partition.topic))).await;
    away("writer", log.writer("w")).await;
    away("committed", log.committed("g", &partition)).await;
    away("members", log.members("g")).await;
    away("reconcile", log.reconcile_topics(&[spec("t")], true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_every_call_ends() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    all_calls_are_away(&nobody.to_string()).await;
}

/// Connections are accepted by the kernel and nothing is ever answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_silent_broker_every_call_ends() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    all_calls_are_away(&silent.local_addr().unwrap().to_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_is_away_until_it_is_back() {
    let mut broker = start().await;
    let given = KafkaLog::connect(patient(&broker.address())).unwrap();
    let partition = create(&given, "t").await;
    given.append(&partition, vec![record("before")]).await.unwrap();
    let mut reader = given.reader(&partition, 0).await.unwrap();
    assert_eq!(reader.read(10, PATIENCE).await.unwrap().records.len(), 1);
    let log = KafkaLog::connect(impatient(&broker.address())).unwrap();
    let mut writer = in_transaction(&log, "w", &partition, "in doubt").await;

    broker.kill().unwrap();
    let watch = Stopwatch::start();
    let error = log.append(&partition, vec![record("lost")]).await.unwrap_err();
    assert_eq!(error.class(), Class::Retry, "{error}");
    let error = writer.commit(None).await.unwrap_err();
    assert!(matches!(error.class(), Class::Retry | Class::Abort | Class::Fenced), "{error}");
    assert!(watch.elapsed() < IN_TIME, "it took {:?}", watch.elapsed());

    let _broker = task::spawn_blocking("broker", move || broker.restart().map(|()| broker)).await.unwrap().unwrap();
    retried(|| async { log.append(&partition, vec![record("after")]).await }).await;
    let watch = Stopwatch::start();
    // The one that was in the middle of a commit is called again, as its errors say.
    let committed = loop {
        match writer.commit(None).await {
            Ok(()) => break true,
            Err(error) if error.class() == Class::Retry => task::sleep(STEP).await,
            Err(error) => {
                assert!(matches!(error.class(), Class::Abort | Class::Fenced), "{error}");
                break false;
            }
        }
        assert!(watch.elapsed() < PATIENCE);
    };
    drop(writer);
    let watch = Stopwatch::start();
    let mut values: Vec<String> = Vec::new();
    while !values.iter().any(|value| value == "after") {
        match reader.read(10, STEP).await {
            Ok(batch) => {
                values.extend(batch.records.iter().filter_map(|r| r.value.as_ref()).map(|v| String::from_utf8_lossy(v).into_owned()))
            }
            Err(error) => assert_eq!(error.class(), Class::Retry, "{error}"),
        }
        assert!(watch.elapsed() < PATIENCE, "{values:?}");
    }
    assert_eq!(values.contains(&"in doubt".to_owned()), committed, "{values:?}");
}

async fn retried<T, F: Future<Output = loki_log::Result<T>>>(call: impl Fn() -> F) -> T {
    let mut backoff = Backoff::for_backend();
    let watch = Stopwatch::start();
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(error.class() == Class::Retry && watch.elapsed() < PATIENCE, "{error}"),
        }
        backoff.wait().await;
    }
}

/// A writer that has appended to a transaction. An impatient one may be too slow for its own limits: then another begins anew.
async fn in_transaction(log: &KafkaLog, id: &str, partition: &Partition, value: &str) -> Box<dyn Writer> {
    let watch = Stopwatch::start();
    loop {
        let mut writer = retried(|| async { log.writer(id).await }).await;
        match writer.append(partition, vec![record(value)]).await {
            Ok(_) => return writer,
            Err(error) => assert!(matches!(error.class(), Class::Retry | Class::Abort | Class::Fenced), "{error}"),
        }
        assert!(watch.elapsed() < PATIENCE, "the transaction was never begun");
    }
}

/// A member that cannot reach its coordinator for a session is told that it has lost its partitions, then gets them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_out_of_touch_loses_its_partitions() {
    let broker = start().await;
    let config = Config { session_timeout: Duration::from_secs(10), heartbeat: Duration::from_millis(500), ..patient(&broker.address()) };
    let log = KafkaLog::connect(config).unwrap();
    let partition = create(&log, "t").await;
    let mut member = log.member("g", std::slice::from_ref(&partition.topic)).await.unwrap();
    expect(&mut *member, "assigned", |event| matches!(event, Event::Assigned(_))).await;
    member.start(&partition, 0).await.unwrap();

    broker.pause().unwrap();
    let lost = expect(&mut *member, "lost", |event| matches!(event, Event::Lost(_))).await;
    assert!(matches!(&lost, Event::Lost(partitions) if partitions == std::slice::from_ref(&partition)), "{lost:?}");
    let error = member.start(&partition, 0).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "what is lost cannot be read: {error}");
    broker.resume().unwrap();
    expect(&mut *member, "assigned again", |event| matches!(event, Event::Assigned(_))).await;
    // a broker that goes on is slow at first, and one that is asked again may have it twice
    retried(|| log.append(&partition, vec![record("after")])).await;
    member.start(&partition, 0).await.unwrap();
    expect(&mut *member, "a record", |event| matches!(event, Event::Records { batch, .. } if !batch.records.is_empty())).await;
    member.leave().await.unwrap();
}

/// The records that a member would read next are removed. It is told so by a call that somebody waits for, however many were given up before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_gone_is_told_until_it_was_heard() {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.unwrap();
    let prefix = real::topic_prefix();
    let log = KafkaLog::connect(patient(&address)).unwrap();
    let partition = create(&log, &format!("{prefix}t")).await;
    // more than is fetched ahead
    let value = Bytes::from(vec![b'x'; 1_000_000]);
    for _ in 0..12 {
        let records = (0..4).map(|_| NewRecord { value: Some(value.clone()), ..NewRecord::default() });
        log.append(&partition, records.collect()).await.unwrap();
    }
    let mut member = log.member(&format!("{prefix}g"), std::slice::from_ref(&partition.topic)).await.unwrap();
    expect(&mut *member, "assigned", |event| matches!(event, Event::Assigned(_))).await;
    member.start(&partition, 0).await.unwrap();
    let mut read = 0;
    let first = expect(&mut *member, "a record", |event| matches!(event, Event::Records { .. })).await;
    if let Event::Records { batch, .. } = first {
        read += batch.records.len();
    }
    remove_all(&address, &partition).await;

    let watch = Stopwatch::start();
    let mut quiet = Stopwatch::start();
    while quiet.elapsed() < Duration::from_secs(2) {
        match member.next(1, PATIENCE).now_or_never() {
            Some(Ok(Event::Records { batch, .. })) => {
                read += batch.records.len();
                quiet = Stopwatch::start();
            }
            Some(Ok(Event::Idle)) | None => task::sleep(Duration::from_millis(10)).await,
            Some(Ok(other)) => panic!("{other:?}"),
            // On a busy machine the answer may be there within one poll: then it was heard, and is told again all the same.
            Some(Err(error)) => assert!(gone(&error, read), "{error}"),
        }
        assert!(watch.elapsed() < PATIENCE, "{read} records");
    }
    // A machine that stalls may call that quiet while records that were fetched ahead are still there.
    let error = loop {
        match member.next(1, PATIENCE).await {
            Ok(Event::Records { batch, .. }) => read += batch.records.len(),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(read < 48, "nothing was left to be removed");
    assert!(gone(&error, read), "{error}");
    let error = member.next(1, PATIENCE).await.unwrap_err();
    assert!(gone(&error, read), "once more: {error}");
    member.start(&partition, 0).await.unwrap();
    log.append(&partition, vec![record("after")]).await.unwrap();
    expect(&mut *member, "a record", |event| matches!(event, Event::Records { batch, .. } if batch.records.len() == 1)).await;
    member.leave().await.unwrap();
}

/// Says that the 49th record is the next, and not the one after `read`.
fn gone(error: &Error, read: usize) -> bool {
    matches!(error, Error::OutOfRange { position, start: 48, end: 48, .. } if *position == read as u64)
}

/// What a client knows of a topic is not for ever: a partition that its broker does not know any more is asked about anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_again_is_known_anew() {
    let broker = start().await;
    let log = KafkaLog::connect(patient(&broker.address())).unwrap();
    // who makes a topic knows it
    let maker = KafkaLog::connect(patient(&broker.address())).unwrap();
    let made = async |partitions: u32| {
        let specs = [TopicSpec { partitions, ..spec("t") }];
        retried(|| maker.reconcile_topics(&specs, true)).await
    };
    let last = Partition::new(Topic::new("t"), 5);
    made(6).await;
    retried(|| log.bounds(&last)).await;

    delete(&broker.address(), &last.topic).await;
    made(2).await;
    let watch = Stopwatch::start();
    loop {
        match log.bounds(&last).await {
            Err(error) if error.class() != Class::Retry => {
                assert!(matches!(&error, Error::Invalid(why) if why.contains("has 2 partitions")), "{error}");
                break;
            }
            // the client does not know it at once
            answer => assert!(watch.elapsed() < PATIENCE, "it is still thought to be there: {answer:?}"),
        }
        task::sleep(STEP).await;
    }
}

async fn delete(address: &str, topic: &Topic) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    admin.delete_topics(&[topic.as_str()], &AdminOptions::new()).await.unwrap();
}

async fn remove_all(address: &str, partition: &Partition) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(partition.topic.as_str(), 0, Offset::End).unwrap();
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
}

/// Whatever a member had been told before its broker died, leaving ends. A runtime of its own: one that leaves for ever shall fail the test and
/// not hold it up.
#[test]
fn members_leave_a_dead_broker() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let left = runtime.block_on(async {
        let mut broker = start().await;
        // What a member waits for when it leaves is that of production.
        let config = Config { session_timeout: PATIENCE / 2, ..Config::new(broker.address()) };
        let log = KafkaLog::connect(config).unwrap();
        log.reconcile_topics(&[TopicSpec { partitions: 4, ..spec("t") }], true).await.unwrap();
        let topic = Topic::new("t");
        let mut members = Vec::new();
        for group in 0..48 {
            let mut member = join(&log, group, &topic).await;
            // most are never asked, so nothing that the coordinator decided is served before they leave
            if group % 6 > 3 {
                let assigned = expect(&mut *member, "assigned", |event| matches!(event, Event::Assigned(_))).await;
                let Event::Assigned(partitions) = assigned else { unreachable!() };
                start_at(&mut *member, &partitions[0]).await;
            }
            if group % 6 > 4 {
                members.push(join(&log, group, &topic).await);
                expect(&mut *member, "revoked", |event| matches!(event, Event::Revoked(_))).await;
            }
            members.push(member);
        }
        broker.kill().unwrap();
        // meanwhile the members notice it: who knows no coordinator leaves without asking one
        let partition = Partition::only(&topic);
        let log = KafkaLog::connect(impatient(&broker.address())).unwrap();
        assert_eq!(log.bounds(&partition).await.unwrap_err().class(), Class::Retry);
        assert_eq!(log.append(&partition, vec![record("a")]).await.unwrap_err().class(), Class::Retry);
        let leaving: Vec<_> = members.into_iter().map(|member| task::spawn("leave", member.leave())).collect();
        let count = leaving.len();
        let mut left = 0;
        let watch = Stopwatch::start();
        for leave in leaving {
            left += usize::from(task::timeout(PATIENCE.saturating_sub(watch.elapsed()), leave).await.is_some());
        }
        (left, count)
    });
    runtime.shutdown_background();
    assert_eq!(left.0, left.1, "members that have left");
}

async fn join(log: &KafkaLog, group: usize, topic: &Topic) -> Box<dyn Member> {
    retried(|| async { log.member(&format!("g{group}"), std::slice::from_ref(topic)).await }).await
}

async fn start_at(member: &mut dyn Member, partition: &Partition) {
    let watch = Stopwatch::start();
    while let Err(error) = member.start(partition, 0).await {
        assert!(error.class() == Class::Retry && watch.elapsed() < PATIENCE, "{error}");
    }
}

async fn expect(member: &mut dyn Member, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let watch = Stopwatch::start();
    loop {
        match member.next(10, STEP).await {
            Ok(event) if wanted(&event) => return event,
            Ok(_) => {}
            Err(error) => assert_eq!(error.class(), Class::Retry, "{error}"),
        }
        assert!(watch.elapsed() < PATIENCE, "{what} did not happen");
    }
}

/// The broker aborts a transaction that is left open for too long; readers go on, its writer learns it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_open_is_aborted() {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.unwrap();
    let prefix = real::topic_prefix();
    let log = KafkaLog::connect(patient(&address)).unwrap();
    let partition = create(&log, &format!("{prefix}t")).await;
    let short = KafkaLog::connect(Config { transaction_timeout: Duration::from_secs(1), ..patient(&address) }).unwrap();
    let mut writer = in_transaction(&short, &format!("{prefix}w"), &partition, "never").await;
    log.append(&partition, vec![record("behind it")]).await.unwrap();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    let watch = Stopwatch::start();
    let mut records = Vec::new();
    while records.is_empty() {
        records = reader.read(10, STEP).await.unwrap().records;
        assert!(watch.elapsed() < PATIENCE, "the transaction was never aborted");
    }
    assert_eq!(records[0].value.as_deref(), Some(b"behind it".as_slice()));
    let error = loop {
        let error = writer.commit(None).await.unwrap_err();
        if error.class() != Class::Retry {
            break error;
        }
        assert!(watch.elapsed() < PATIENCE, "{error}");
    };
    assert!(matches!(error.class(), Class::Abort | Class::Fenced), "{error}");
    // Whatever it was told, a new writer is right.
    let mut writer = log.writer(&format!("{prefix}w")).await.unwrap();
    writer.append(&partition, vec![record("redone")]).await.unwrap();
    writer.commit(None).await.unwrap();
    let watch = Stopwatch::start();
    let mut records = Vec::new();
    while records.is_empty() {
        records = reader.read(10, STEP).await.unwrap().records;
        assert!(watch.elapsed() < PATIENCE);
    }
    assert_eq!(records[0].value.as_deref(), Some(b"redone".as_slice()));
}
