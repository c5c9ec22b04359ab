//! The decider on the embedded log.

mod suite;

use std::sync::Arc;

use loki_log::NewRecord;
use loki_log::recording::Recording;
use loki_log::sqlite::{Options, SqliteLog};
use suite::Site;
use tempfile::TempDir;

async fn open(directory: &TempDir) -> SqliteLog {
    SqliteLog::open(Options::new(directory.path())).await.expect("the log opens")
}

macro_rules! scenes {
    ($($scene:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scene() {
            let directory = tempfile::tempdir().expect("a folder");
            let site = Site::new(Arc::new(open(&directory).await), "t.").await;
            suite::$scene(&site).await;
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
    let directory = tempfile::tempdir().expect("a folder");
    let log: Arc<SqliteLog> = Arc::new(open(&directory).await);
    let site = Site::new(log.clone(), "t.").await;
    suite::a_stand_by_takes_over(&site, log).await;
}

/// It restores, appends steps of its own and writes a dead letter: from this its access list follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_uses_the_topics_that_name_it() {
    let directory = tempfile::tempdir().expect("a folder");
    let mut site = Site::new(Arc::new(open(&directory).await), "t.").await;
    let recording = Recording::new(site.log.clone());
    site.seen = Arc::new(recording.clone());
    suite::long_sweeps_go_on_by_themselves(&site).await;
    let running = site.start();
    site.append(vec![NewRecord { value: Some("{".into()), ..NewRecord::default() }]).await;
    site.all_answered().await;
    running.stop().await;
    recording.check("t.", "decider");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_log_is_refused() {
    let directory = tempfile::tempdir().expect("a folder");
    let log: Arc<SqliteLog> = Arc::new(open(&directory).await);
    let (site, other) = (Site::new(log.clone(), "t.").await, Site::new(log, "u.").await);
    suite::half_a_log_is_refused(&site, &other).await;
}

/// The whole process: the file is closed and opened again between the halves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_closed_and_opened_again() {
    let directory = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let log = open(&directory).await;
        let site = Site::new(Arc::new(log.clone()), "t.").await;
        suite::a_restart_changes_nothing(&site).await;
        log.close().await;
    }
}
