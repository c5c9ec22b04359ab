//! The decider on Kafka: the same scenes.

mod suite;

use std::sync::Arc;

use loki_log::kafka::{Config, KafkaLog};
use loki_runtime::task;
use loki_testing::real;
use suite::Site;

async fn connect() -> Arc<KafkaLog> {
    let address = task::spawn_blocking("shared", || real::shared().kafka.clone()).await.expect("an address");
    Arc::new(KafkaLog::connect(Config::new(address)).expect("a client"))
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
