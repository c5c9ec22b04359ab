//! The clock on a log in memory and paused time: what is fired, by whom, and what holds it up.

use std::sync::Arc;
use std::time::Duration;

use loki_clock::{Config, TimerService};
use loki_domain::{Command, Entity, Key, RunId, Timer};
use loki_log::memory::MemoryLog;
use loki_log::recording::Recording;
use loki_log::{Log, NewRecord, Partition, Topic};
use loki_runtime::{Clock, Shutdown, task};
use loki_telemetry::Health;
use loki_wire::fact::{self, Change};
use loki_wire::{Envelope, Intake, Topics};
use tokio::task::JoinHandle;

const PREFIX: &str = "t.";

struct Site {
    log: MemoryLog,
    clock: Clock,
    health: Health,
}

impl Site {
    fn new() -> Self {
        Self { log: MemoryLog::simple(true), clock: Clock::running(1_000_000), health: Health::new() }
    }

    fn start_on(&self, log: Arc<dyn Log>) -> (JoinHandle<Result<(), loki_clock::Error>>, Shutdown) {
        let shutdown = Shutdown::new();
        let service = TimerService::new(Config::new(PREFIX), log, self.clock.clone(), self.health.component("clock"));
        (task::spawn("clock", service.run(shutdown.clone())), shutdown)
    }

    fn start(&self) -> (JoinHandle<Result<(), loki_clock::Error>>, Shutdown) {
        self.start_on(Arc::new(self.log.clone()))
    }

    fn write(&self, changes: &[Change]) {
        let records = changes.iter().map(|change| {
            let encoded = fact::write(change, 1, 0, true, None);
            NewRecord { key: Some(encoded.key), value: encoded.value, headers: encoded.headers, timestamp_ms: None }
        });
        self.log.write(&only(&Topics::new(PREFIX).facts), records.collect(), true);
    }

    /// What was fired, and when it was due.
    fn fired(&self) -> Vec<Timer> {
        let records = self.log.records(&only(&Topics::new(PREFIX).commands));
        let timers = records.iter().map(|record| {
            let envelope = Envelope::read(record.value.as_ref(), &record.headers).unwrap();
            assert_eq!((envelope.actor.as_str(), envelope.id.as_deref()), ("clock", None));
            match Intake::read(&envelope).unwrap().command {
                Command::TimerFire { run, due_ms } => Timer { run, due_ms },
                other => panic!("{other:?}"),
            }
        });
        timers.collect()
    }

    async fn until_fired(&self, count: usize) {
        let wait = async {
            while self.fired().len() < count {
                task::sleep(Duration::from_millis(20)).await;
            }
        };
        task::timeout(Duration::from_secs(120), wait).await.expect("it is fired");
    }
}

fn only(topic: &str) -> Partition {
    Partition::only(&Topic::new(topic))
}

fn timer(run: RunId, due_ms: i64) -> Timer {
    Timer { run, due_ms }
}

fn set(timer: Timer) -> Change {
    Change::Set(Entity::Timer(timer))
}

fn gone(run: RunId) -> Change {
    Change::Removed(Key::Timer(run))
}

const ONE: RunId = RunId::MIN;
const OTHER: RunId = RunId::MAX;

#[tokio::test(start_paused = true)]
async fn what_is_due_is_fired_once_it_is_and_again_while_it_stays() {
    let site = Site::new();
    let recording = Recording::new(Arc::new(site.log.clone()));
    // one that was there before, one that was removed, and one that is set meanwhile
    site.write(&[set(timer(ONE, 1_002_000)), set(timer(OTHER, 999_000)), gone(OTHER)]);
    let (running, shutdown) = site.start_on(Arc::new(recording.clone()));
    task::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(site.fired(), []);
    site.until_fired(1).await;
    assert!((1_002_000..1_002_200).contains(&site.clock.now_ms()), "{}", site.clock.now_ms());
    site.until_fired(2).await;
    assert!((1_007_000..1_007_200).contains(&site.clock.now_ms()), "{}", site.clock.now_ms());
    assert_eq!(site.fired(), [timer(ONE, 1_002_000); 2]);
    site.write(&[gone(ONE), set(timer(OTHER, site.clock.now_ms() + 100))]);
    site.until_fired(3).await;
    assert_eq!(site.fired()[2].run, OTHER);
    site.write(&[gone(OTHER)]);
    task::sleep(Duration::from_secs(300)).await;
    assert_eq!(site.fired().len(), 3);
    assert!(site.health.report().ready);
    shutdown.begin();
    running.await.unwrap().unwrap();
    recording.check(PREFIX, "clock");
}

#[tokio::test(start_paused = true)]
async fn of_two_clocks_one_fires_and_the_other_takes_over() {
    let site = Site::new();
    site.write(&[set(timer(ONE, 1_003_000))]);
    let (first, end_first) = site.start();
    let (second, end_second) = site.start();
    site.until_fired(1).await;
    task::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.fired().len(), 1, "not by both");
    end_first.begin();
    first.await.unwrap().unwrap();
    site.write(&[gone(ONE), set(timer(OTHER, site.clock.now_ms() + 100))]);
    // it may have read the other one before it was gone
    let wait = async {
        while site.fired().last().is_none_or(|timer| timer.run != OTHER) {
            task::sleep(Duration::from_millis(20)).await;
        }
    };
    task::timeout(Duration::from_secs(60), wait).await.expect("it is fired");
    end_second.begin();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_or_made_anew_holds_nothing_up_for_ever() {
    let site = Site::new();
    site.write(&[set(timer(ONE, 1_000_500)), set(timer(ONE, 1_000_600))]);
    let (running, shutdown) = site.start();
    site.until_fired(1).await;
    site.log.away(30);
    site.write(&[gone(ONE), set(timer(OTHER, site.clock.now_ms()))]);
    site.until_fired(2).await;
    // restored from an older copy: what was read lies beyond its end
    site.log.truncate(&only(&Topics::new(PREFIX).facts), 1);
    let before = site.fired().len();
    site.until_fired(before + 1).await;
    assert_eq!(site.fired().last(), Some(&timer(ONE, 1_000_500)));
    assert!(site.health.report().ready);
    shutdown.begin();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_a_newer_version_stops_it() {
    let site = Site::new();
    let encoded = fact::write(&set(timer(ONE, 1)), 1, 0, true, None);
    let newer = |(name, value): (String, _)| if name == "ce_dataschema" { (name, "fact.timer.v2".into()) } else { (name, value) };
    let headers = encoded.headers.into_iter().map(newer).collect();
    let record = NewRecord { key: Some(encoded.key), value: encoded.value, headers, timestamp_ms: None };
    site.log.write(&only(&Topics::new(PREFIX).facts), vec![record], false);
    let (running, _shutdown) = site.start();
    let error = running.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("`t.loki.facts`") && error.contains("fact.timer.v2"), "{error}");
    assert!(!site.health.report().ready);
}
