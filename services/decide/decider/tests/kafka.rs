//! The decider on Kafka: the same scenes.

mod suite;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use loki_log::kafka::{Config, KafkaLog};
use loki_runtime::task;
use loki_testing::real;
use loki_wire::{DeadLetter, Verdict};
use suite::Site;

/// No limit that a machine which stalls for some seconds could reach, and all well within the suite's patience.
async fn connect() -> Arc<KafkaLog> {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.expect("an address");
    let long = Duration::from_secs(30);
    let config = Config { session_timeout: long, transaction_timeout: long, request_timeout: long, ..Config::new(address) };
    Arc::new(KafkaLog::connect(config).expect("a client"))
}

async fn site() -> Site {
    Site::new(connect().await, &real::topic_prefix()).await
}

macro_rules! scenes {
    ($($scene:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scene() {
            suite::$scene(&site().await).await;
        }
    )*};
}

scenes! {
    every_record_is_answered_once_and_in_order
    a_restart_changes_nothing
    a_command_repeated_after_a_restart_gets_its_first_answer
    a_fenced_decider_restores_and_goes_on
    faults_of_the_log_lose_and_repeat_nothing
    long_sweeps_go_on_by_themselves
    a_new_log_gets_its_id_once
    a_log_that_lost_a_part_is_refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_by_takes_over() {
    suite::a_stand_by_takes_over(&site().await, connect().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_log_is_refused() {
    suite::half_a_log_is_refused(&site().await, &site().await).await;
}

/// What only another producer can send: a name of a header that is no text, and a record that is small to the broker, being compressed, and
/// larger than any that can be copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_other_producers_stop_nothing() {
    let site = site().await;
    let running = site.start();
    let command = br#"{"type":"node.create","data":{"path":"/acme"}}"#;
    kcat(&site, &[b"-H", b"\xff=1"], command.to_vec()).await;
    kcat(&site, &[b"-z", b"lz4", b"-X", b"message.max.bytes=16000000"], vec![b'x'; 5_000_000]).await;
    kcat(&site, &[], command.to_vec()).await;
    let outcomes = site.answered(3).await;
    assert!(matches!(outcomes[0].verdict, Verdict::Accepted { .. }), "{:?}", outcomes[0]);
    assert!(matches!(&outcomes[1].verdict, Verdict::Dead { code, .. } if code == "too_large"), "{:?}", outcomes[1]);
    assert!(matches!(outcomes[2].verdict, Verdict::Rejected(_)), "{:?}", outcomes[2]);
    let letters = site.read_all(&site.dead(), 1).await;
    let letter = DeadLetter::read(letters[0].value.as_ref().expect("a value"), &letters[0].headers).expect("a letter");
    assert_eq!((letter.offset, letter.omitted), (outcomes[1].command, Some(5_000_000)));
    running.stop().await;
    suite::check(&site).await;
}

async fn kcat(site: &Site, arguments: &[&[u8]], value: Vec<u8>) {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.expect("an address");
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", &address, "-t", &site.topics.commands, "-p", "0"]);
    kcat.args(arguments.iter().map(|argument| OsStr::from_bytes(argument))).stdin(Stdio::piped());
    let work = move || {
        let mut child = kcat.spawn().expect("kcat is installed by `services/testing/stack/install.sh`");
        child.stdin.take().expect("a pipe").write_all(&value).expect("kcat reads");
        assert!(child.wait().expect("kcat ends").success());
    };
    task::spawn_blocking("kcat", work).await.expect("kcat ran");
}

/// A broker of one's own, to be killed while commands are on their way: the decider waits, says so, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_killed_and_comes_back() {
    let mut broker = task::spawn_blocking("broker", || real::Running::start(&real::Kafka).expect("a broker")).await.expect("a broker");
    let log = Arc::new(KafkaLog::connect(Config::new(broker.address())).expect("a client"));
    let site = Site::new(log, "t.").await;
    let running = site.start_on(site.log.clone(), 20);
    for seed in 0..2 {
        let sent = site.append(suite::stream(seed, 200)).await;
        site.answered_up_to(sent[20]).await;
        broker = task::spawn_blocking("broker", move || {
            broker.kill().expect("it is killed");
            broker
        })
        .await
        .expect("a broker");
        suite::until("the decider says that it is not ready", || running.component.why_not().is_some()).await;
        broker = task::spawn_blocking("broker", move || {
            broker.restart().expect("it comes back");
            broker
        })
        .await
        .expect("a broker");
        site.answered_up_to(sent[199]).await;
    }
    site.all_answered().await;
    assert!(running.is_running());
    running.stop().await;
    suite::check(&site).await;
}
