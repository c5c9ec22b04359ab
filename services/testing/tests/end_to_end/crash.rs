//! kill -9 of every process at random moments under load: nothing lost, nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loki_core::generate::{Asked, Random, Wild};
use serde_json::Value;

use crate::api::Api;
use crate::platform::{Backends, Platform};

const ROUNDS: u64 = 20;
const SENDERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_on_the_real_set() {
    let mut platform = Platform::real(&Backends::shared()).await;
    platform.spawn("stand-by", "decider");
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> =
        (0..SENDERS).map(|sender| tokio::spawn(send_until(platform.api.clone(), 100 + sender, done.clone(), answered.clone()))).collect();

    let mut random = Random::new(77);
    // there are always two deciders, one of which stands by
    let mut deciders = ["decider", "stand-by"];
    for round in 0..ROUNDS {
        // each round meets a platform that has come back from the one before
        progress(&answered, 20).await;
        tokio::time::sleep(Duration::from_millis(random.below(500) as u64)).await;
        match round % 4 {
            0 => {
                platform.kill(deciders[0]);
                platform.spawn(deciders[0], "decider");
                deciders.reverse();
            }
            1 => restart(&mut platform, "mysql"),
            2 => restart(&mut platform, "zookeeper"),
            _ => restart(&mut platform, "api"),
        }
    }
    progress(&answered, 20).await;
    done.store(true, Ordering::SeqCst);
    let mut sent: Vec<(Asked, Value)> = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    for service in ["mysql", "zookeeper", "api"] {
        platform.ready(service).await;
    }
    platform.api.settled().await;
    platform.verify();

    // every command that was answered has that answer still, and only one outcome that is no repetition
    let audit = platform.api.audit().await;
    assert!(sent.len() > 100, "{}", sent.len());
    for (asked, answer) in &sent {
        let mine: Vec<_> = audit.iter().filter(|line| line["id"] == asked.id.as_str() && line["actor"] == asked.actor.as_str()).collect();
        let first = mine.iter().filter(|line| line["outcome"] != "duplicate" && line["code"] != "id_reused").count();
        assert!(first <= 1, "{} was decided {first} times", asked.id);
        assert!(mine.iter().any(|line| line["position"] == answer["position"]), "{answer} is lost");
    }
    for (asked, answer) in sent.iter().filter(|(_, answer)| answer["code"] != "id_reused").step_by(23) {
        let again = platform.api.send(asked, true).await;
        assert_eq!((&again["outcome"], &again["position"], &again["code"]), (&answer["outcome"], &answer["position"], &answer["code"]));
    }
}

/// Waits until so many more commands were answered.
async fn progress(answered: &AtomicUsize, more: usize) {
    let (started, before) = (Instant::now(), answered.load(Ordering::SeqCst));
    while answered.load(Ordering::SeqCst) < before + more {
        assert!(started.elapsed() < Duration::from_secs(60), "no progress within a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn restart(platform: &mut Platform, service: &str) {
    platform.kill(service);
    platform.spawn(service, service);
}

/// Sends commands one after another, each until its outcome is known.
async fn send_until(api: Api, seed: u64, done: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Vec<(Asked, Value)> {
    let mut sent = Vec::new();
    for asked in Wild::new(seed) {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let answer = api.send(&asked, true).await;
        sent.push((asked, answer));
        answered.fetch_add(1, Ordering::SeqCst);
    }
    sent
}
