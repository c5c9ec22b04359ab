//! Rounds of kill -9 over all processes and OpenTSDB, drawn by lot, under commands and samples: nothing lost, nothing twice, nothing out of order,
//! and all stores equal the log.

use std::time::{Duration, Instant};

use loki_core::generate::Random;
use loki_testing::proof::{self, Spread};
use loki_testing::real::{OpenTsdb, Running};
use serde_json::Value;

use crate::api::PATIENCE;
use crate::ledger::{Load, Rates, number};
use crate::platform::{Backends, Platform, SERVICES};

/// `make proof` has 20, or as many as are asked for.
const ROUNDS: usize = 2;
/// Part of what `make proof` sends: it is not optimised here, and other tests run beside this one.
const RATES: Rates = Rates { commands: 50, points: 500 };
const PROOF_RATES: Rates = Rates { commands: 500, points: 5_000 };
/// Beside those that run once: who stands by, or has half of the partitions.
const SECONDS: [(&str, &str); 2] = [("decider-2", "decider"), ("opentsdb-2", "opentsdb")];
/// Sinks that come and go, one after the other: the samples' partitions hardly ever stay where they are.
const STORM: usize = 40;
const DAEMON: &str = "the OpenTSDB daemon";

#[tokio::test(flavor = "multi_thread")]
async fn killed_by_lot_under_load_nothing_is_lost_twice_or_out_of_order() {
    let rounds = proof::count("LOKI_TEST_ROUNDS", ROUNDS);
    let rates = if proof::is_running() { PROOF_RATES } else { RATES };
    let starting = tokio::task::spawn_blocking(|| Running::start(&OpenTsdb).unwrap());
    let mut platform = Platform::prepared(&Backends::shared()).await;
    let mut opentsdb = starting.await.unwrap();
    platform.set("LOKI__OPENTSDB__ADDRESSES", opentsdb.url());
    let services: Vec<(&str, &str)> = SERVICES.iter().map(|service| (*service, *service)).chain(SECONDS).collect();
    services.iter().for_each(|(name, service)| platform.spawn(name, service));
    for (name, _) in &services {
        platform.ready(name).await;
    }
    let mut random = Random::new(0x1055);
    let load = Load::start(&platform.api, rates);
    let started = Instant::now();
    let mut recovered = Spread::default();
    warm(&mut platform, &services).await;
    for round in 0..rounds {
        // some load arrives between two kills
        tokio::time::sleep(Duration::from_millis(1_000 + random.below(3_000) as u64)).await;
        let before = load.acknowledged();
        let mut victims: Vec<(&str, &str)> = (0..1 + random.below(3)).map(|_| services[random.below(services.len())]).collect();
        if random.chance(30) {
            victims.push((DAEMON, DAEMON));
        }
        victims.sort_unstable();
        victims.dedup();
        for (name, _) in &victims {
            if *name == DAEMON { opentsdb.kill().unwrap() } else { platform.kill(name) }
        }
        let killed = Instant::now();
        for (name, service) in &victims {
            if *name == DAEMON {
                tokio::task::block_in_place(|| opentsdb.restart().unwrap());
            } else {
                platform.spawn(name, service);
            }
        }
        let last = caught_up(&mut platform, &services).await;
        let took = killed.elapsed();
        recovered.add(took);
        let names: Vec<&str> = victims.iter().map(|(name, _)| *name).collect();
        let after = load.acknowledged();
        println!(
            "round {round}: {} killed, all caught up after {:.1} s, {last} last; {} commands and {} points acknowledged meanwhile",
            names.join(", "),
            took.as_secs_f64(),
            after.0 - before.0,
            after.1 - before.1
        );
    }
    storm(&mut platform, &mut random, if proof::is_running() { STORM } else { STORM / 10 }).await;
    caught_up(&mut platform, &services).await;
    let seconds = started.elapsed().as_secs_f64();
    let ledger = load.end().await;
    platform.api.settled().await;
    platform.verify();
    assert_eq!(ledger.differences(&platform.api).await, Vec::<String>::new());
    let (commands, points) = (ledger.commands(), ledger.points());
    proof::tell(
        "rounds",
        &format!(
            "kill -9 by lot, {rounds} rounds, then sinks that come and go: {commands} commands ({:.0}/s) and {points} points ({:.0}/s) acknowledged; 0 lost, 0 double, order kept, \
             `loki verify` clean; caught up after {recovered}",
            commands as f64 / seconds,
            points as f64 / seconds
        ),
    );
}

/// Until all keep up. A store that has just been started is slow with series that it never saw, which is no part of what a kill costs.
async fn warm(platform: &mut Platform, services: &[(&str, &str)]) {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        caught_up(platform, services).await;
        if started.elapsed() < Duration::from_secs(2) {
            break;
        }
    }
}

/// Members of the samples' group come, are stopped, killed, or stand still for longer than they may.
async fn storm(platform: &mut Platform, random: &mut Random, turns: usize) {
    let mut coming = Vec::new();
    for turn in 0..turns {
        let name = format!("opentsdb-of-{turn}");
        platform.spawn(&name, "opentsdb");
        coming.push(name);
        tokio::time::sleep(Duration::from_millis(200 + random.below(1_500) as u64)).await;
        if coming.len() > 2 {
            let name = coming.remove(random.below(coming.len()));
            // to stand still takes the time that only proof has
            match random.below(if proof::is_running() { 3 } else { 2 }) {
                0 => platform.stop(&name),
                1 => platform.kill(&name),
                _ => {
                    // longer than a session of 6 s
                    platform.pause(&name);
                    tokio::time::sleep(Duration::from_secs(8)).await;
                    platform.resume(&name);
                    platform.stop(&name);
                }
            }
        }
    }
    coming.iter().for_each(|name| platform.stop(name));
}

/// All processes are ready, and every store has passed what the log held when it could be asked again; which of them were the last.
pub(crate) async fn caught_up(platform: &mut Platform, services: &[(&str, &str)]) -> String {
    let started = Instant::now();
    let mut ends: Option<Vec<u64>> = None;
    let mut last = "processes".to_owned();
    loop {
        if let Ok((200, answer)) = platform.api.get("/v1/status").await {
            let known = ends.get_or_insert_with(|| projections(&answer).map(|projection| number(&projection["end"])).collect());
            let behind = behind(&answer, known);
            if behind.is_empty() {
                break;
            }
            last = behind.join(", ");
        }
        assert!(started.elapsed() < PATIENCE, "{last} do not catch up\n{}", platform.log("api"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (name, _) in services {
        platform.ready(name).await;
    }
    last
}

/// The names of those that have not passed these ends.
fn behind(status: &Value, ends: &[u64]) -> Vec<String> {
    if projections(status).count() != ends.len() {
        return vec![status.to_string()];
    }
    let has_passed = |projection: &Value, end: u64| {
        projection["state"] == "live" && !projection["position"].is_null() && number(&projection["position"]) >= end
    };
    let behind = projections(status).zip(ends).filter(|(projection, end)| !has_passed(projection, **end));
    behind.map(|(projection, _)| projection["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn projections(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["projections"].as_array().into_iter().flatten()
}
