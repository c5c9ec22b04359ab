//! kill -9 of every process at random moments under load, two at a time and while they recover: nothing lost, nothing twice. When the active decider
//! is killed it stays away until the one that stood by has taken over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loki_core::generate::{Asked, Random, Wild};
use serde_json::Value;

use crate::api::{Api, PATIENCE};
use crate::platform::{Backends, Platform};

const ROUNDS: u64 = 20;
const SENDERS: u64 = 4;
/// Commands of one sender that are under way at once.
const AT_ONCE: usize = 8;
/// So many answers may still come of what was decided before a kill; the ones after them were decided after it.
const UNDER_WAY: usize = SENDERS as usize * AT_ONCE;
const DECIDERS: [&str; 2] = ["decider", "decider-2"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_on_the_real_set() {
    let mut platform = Platform::real(&Backends::shared()).await;
    platform.spawn(DECIDERS[1], "decider");
    let load = Load::start(&platform.api);
    let mut random = Random::new(77);
    for round in 0..ROUNDS {
        // each round meets a platform that has come back from the one before
        load.progress(UNDER_WAY + 20).await;
        tokio::time::sleep(Duration::from_millis(random.below(500) as u64)).await;
        match round {
            0 | 16 => take_over(&mut platform, &load, &[]).await,
            4 => take_over(&mut platform, &load, &["mysql"]).await,
            8 => take_over(&mut platform, &load, &["api", "zookeeper"]).await,
            12 => kill_both_deciders(&mut platform).await,
            _ => {
                let killed: &[&str] = match round % 6 {
                    0 | 3 => &["mysql"],
                    1 => &["zookeeper"],
                    2 => &["api"],
                    4 => &["mysql", "zookeeper"],
                    _ => &["api", "mysql"],
                };
                restart(&mut platform, killed);
                if round % 2 == 0 {
                    // once more, while they recover
                    tokio::time::sleep(Duration::from_millis(random.below(800) as u64)).await;
                    restart(&mut platform, killed);
                }
            }
        }
    }
    load.progress(UNDER_WAY + 20).await;
    let sent = load.end().await;
    for service in [DECIDERS[0], DECIDERS[1], "mysql", "zookeeper", "api"] {
        platform.ready(service).await;
    }
    platform.api.settled().await;
    platform.verify();

    // every command that was answered has that answer still, and only one outcome that is no repetition
    let audit = platform.api.audit().await;
    let mut lines: HashMap<(&str, &str), Vec<&Value>> = HashMap::new();
    for line in &audit {
        lines.entry((line["actor"].as_str().unwrap(), line["id"].as_str().unwrap())).or_default().push(line);
    }
    for outcome in ["accepted", "rejected"] {
        let count = sent.iter().filter(|(_, answer)| answer["outcome"] == outcome).count();
        assert!(count > 100, "only {count} of {} were {outcome}", sent.len());
    }
    for (asked, answer) in &sent {
        let mine = lines.get(&(asked.actor.as_str(), asked.id.as_str())).cloned().unwrap_or_default();
        let first = mine.iter().filter(|line| line["outcome"] != "duplicate" && line["code"] != "id_reused").count();
        assert!(first <= 1, "{} was decided {first} times", asked.id);
        assert!(mine.iter().any(|line| line["position"] == answer["position"]), "{answer} is lost");
    }
    for (asked, answer) in sent.iter().filter(|(_, answer)| is_first(answer)).step_by(53) {
        repeat(&platform.api, asked, answer).await;
    }
}

/// Kills the active decider, and others with it, and starts it again only when the one that stood by has done its work.
async fn take_over(platform: &mut Platform, load: &Load, others: &[&str]) {
    let (active, stand_by) = deciders(platform).await;
    platform.ready(stand_by).await;
    // none since it began, unless it was active once and a stall made it lose its place
    let answered_before = decided(platform, stand_by).await.unwrap();
    let before = load.latest();
    platform.kill(active);
    restart(platform, others);
    load.progress(UNDER_WAY + 20).await;
    let by_it = decided(platform, stand_by).await.unwrap() - answered_before;
    assert!(by_it >= 20.0, "`{stand_by}` has answered {by_it} commands\n{}", platform.log(stand_by));
    for (asked, answer) in &before {
        repeat(&platform.api, asked, answer).await;
    }
    platform.spawn(active, "decider");
}

/// Kills the one that takes over as soon as it begins to: whoever comes then must do it all again.
async fn kill_both_deciders(platform: &mut Platform) {
    let (active, stand_by) = deciders(platform).await;
    platform.ready(stand_by).await;
    platform.kill(active);
    let started = Instant::now();
    // not ready: it restores; active: it has
    while platform.is_ready(stand_by).await && is_active(platform, stand_by).await != Some(true) {
        assert!(started.elapsed() < PATIENCE, "`{stand_by}` does not take over\n{}", platform.log(stand_by));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    platform.kill(stand_by);
    platform.spawn(active, "decider");
    platform.spawn(stand_by, "decider");
}

/// The active one, and the one that stands by.
async fn deciders(platform: &Platform) -> (&'static str, &'static str) {
    let started = Instant::now();
    let [one, other] = DECIDERS;
    loop {
        match (is_active(platform, one).await, is_active(platform, other).await) {
            (Some(true), Some(false)) => return (one, other),
            (Some(false), Some(true)) => return (other, one),
            _ => assert!(started.elapsed() < PATIENCE, "there is not one active decider\n{}\n{}", platform.log(one), platform.log(other)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_active(platform: &Platform, name: &str) -> Option<bool> {
    platform.metric(name, "lokiops_decider_active", "").await.map(|active| active > 0.0)
}

/// How many commands this process has answered.
async fn decided(platform: &Platform, name: &str) -> Option<f64> {
    platform.metric(name, "lokiops_decider_outcomes_total", "").await
}

/// Kills them all, then starts them all.
fn restart(platform: &mut Platform, services: &[&str]) {
    services.iter().for_each(|service| platform.kill(service));
    services.iter().for_each(|service| platform.spawn(service, service));
}

/// Neither answered before nor refused for its id: an answer that every repetition must get.
fn is_first(answer: &Value) -> bool {
    answer["code"] != "id_reused"
}

/// A command that is sent again gets its first outcome, rejected ones too.
async fn repeat(api: &Api, asked: &Asked, answer: &Value) {
    let again = api.send(asked, true).await;
    assert_eq!((&again["outcome"], &again["position"], &again["code"]), (&answer["outcome"], &answer["position"], &answer["code"]));
    assert_eq!(again["duplicate_of"], answer["position"], "{again}");
}

/// Commands with their answers.
type Sent = Vec<(Asked, Value)>;

/// Senders who have several commands under way each, and what they were answered.
struct Load {
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    sent: Arc<Mutex<Sent>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(api: &Api) -> Self {
        let (done, answered, sent) = (Arc::default(), Arc::default(), Arc::default());
        let mut tasks = Vec::new();
        for sender in 0..SENDERS {
            let commands = Arc::new(Mutex::new(Wild::new(100 + sender)));
            for _ in 0..AT_ONCE {
                let sending = send_until(api.clone(), Arc::clone(&commands), Arc::clone(&done), Arc::clone(&answered), Arc::clone(&sent));
                tasks.push(tokio::spawn(sending));
            }
        }
        Self { done, answered, sent, tasks }
    }

    /// Waits until so many more commands were answered.
    async fn progress(&self, more: usize) {
        let (started, before) = (Instant::now(), self.answered.load(Ordering::SeqCst));
        while self.answered.load(Ordering::SeqCst) < before + more {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a sender has failed");
            assert!(started.elapsed() < PATIENCE, "no progress within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The last that was accepted and the last that was rejected.
    fn latest(&self) -> Sent {
        let sent = self.sent.lock().unwrap();
        let last = |outcome: &str| sent.iter().rev().find(|(_, answer)| answer["outcome"] == outcome && is_first(answer)).cloned();
        [last("accepted"), last("rejected")].map(Option::unwrap).to_vec()
    }

    async fn end(self) -> Sent {
        self.done.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

/// Sends commands one after another, each until its outcome is known.
async fn send_until(api: Api, commands: Arc<Mutex<Wild>>, done: Arc<AtomicBool>, answered: Arc<AtomicUsize>, sent: Arc<Mutex<Sent>>) {
    while !done.load(Ordering::SeqCst) {
        let asked = commands.lock().unwrap().next().unwrap();
        let answer = api.send(&asked, true).await;
        sent.lock().unwrap().push((asked, answer));
        answered.fetch_add(1, Ordering::SeqCst);
        // the log grows with the rounds, not with the speed of the machine
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
