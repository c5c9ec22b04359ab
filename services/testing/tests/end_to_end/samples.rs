//! Samples on the embedded set: kill -9 under ingest, and every point that was acknowledged is there afterwards, with its value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loki_core::generate::Random;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::{Api, PATIENCE};
use crate::platform::Platform;

const ROUNDS: usize = 20;
const SENDERS: usize = 4;
const SERIES: usize = 5;
const POINTS: usize = 40;
const BEGIN: i64 = 1_790_000_000;

/// What one sender knows: each series' points by second, and whether they were acknowledged.
type Sent = BTreeMap<String, BTreeMap<i64, (f64, bool)>>;

#[derive(Clone, Default)]
struct Ingest {
    sent: Arc<Mutex<Vec<Sent>>>,
    ends: Arc<AtomicBool>,
}

impl Ingest {
    fn acknowledged(&self) -> usize {
        let sent = self.sent.lock().unwrap();
        sent.iter().flat_map(Sent::values).flat_map(BTreeMap::values).filter(|(_, acknowledged)| *acknowledged).count()
    }

    /// Waits until so many more are acknowledged.
    async fn progress(&self, more: usize) {
        let (wanted, started) = (self.acknowledged() + more, Instant::now());
        while self.acknowledged() < wanted {
            assert!(started.elapsed() < PATIENCE, "nothing is acknowledged any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends points of a few series, each second once, until it is told to end. What is not acknowledged is not sent again.
    async fn send(self, number: usize, api: Api) {
        let mut random = Random::new(number as u64 + 1);
        let mut second = BEGIN;
        while !self.ends.load(Ordering::SeqCst) {
            let mut points = Vec::new();
            for _ in 0..POINTS / SERIES {
                second += 1 + random.below(3) as i64;
                for series in 0..SERIES {
                    let host = format!("host{number}-{series}");
                    let value = random.below(1_000_000) as f64 / 1_000.0;
                    self.sent.lock().unwrap()[number].entry(host.clone()).or_default().insert(second, (value, false));
                    points.push((host, second, value));
                }
            }
            let body: Vec<Value> = (points.iter())
                .map(|(host, at, value)| json!({ "metric": "kill.points", "timestamp": at, "value": value, "tags": { "host": host } }))
                .collect();
            match api.post("/api/put", Value::from(body).to_string()).await {
                Ok((204, _)) => {
                    let mut sent = self.sent.lock().unwrap();
                    for (host, at, _) in points {
                        sent[number].get_mut(&host).unwrap().get_mut(&at).unwrap().1 = true;
                    }
                }
                Ok((503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Ok((status, answer)) => panic!("{status} {answer}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_ingest_no_acknowledged_point_is_lost() {
    let mut platform = Platform::embedded().await;
    let ingest = Ingest::default();
    ingest.sent.lock().unwrap().resize(SENDERS, Sent::default());
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        senders.spawn(ingest.clone().send(number, platform.another_client()));
    }
    let mut random = Random::new(99);
    for _ in 0..ROUNDS {
        ingest.progress(500).await;
        tokio::time::sleep(Duration::from_millis(random.below(150) as u64)).await;
        platform.kill("all");
        platform.start("all").await;
    }
    ingest.progress(500).await;
    ingest.ends.store(true, Ordering::SeqCst);
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }

    let sent: Sent = std::mem::take(&mut *ingest.sent.lock().unwrap()).into_iter().flatten().collect();
    let path = format!("/api/query?start={}&end={}&arrays=true&m=none:kill.points%7Bhost=*%7D", BEGIN, BEGIN + 10_000_000);
    let is_there = |found: &BTreeMap<String, BTreeMap<i64, f64>>| {
        let missing = sent.iter().flat_map(|(host, points)| points.iter().map(move |(at, point)| (host, at, point)));
        missing.filter(|(_, _, (_, acknowledged))| *acknowledged).find(|(host, at, (value, _))| {
            // the store keeps what fits into 64 bits
            found.get(*host).and_then(|points| points.get(*at)) != Some(value)
        })
    };
    // the sink may be some records behind the last acknowledgement
    let started = Instant::now();
    let found = loop {
        let (status, answer) = platform.api.get(&path).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let found = read(&answer);
        match is_there(&found) {
            None => break found,
            Some((host, at, point)) => {
                assert!(
                    started.elapsed() < PATIENCE,
                    "{host} {at} {point:?} is lost: {:?}",
                    found.get(host).and_then(|points| points.get(at))
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    // and nothing that nobody sent
    for (host, points) in &found {
        for (at, value) in points {
            assert_eq!(sent[host].get(at).map(|(value, _)| value), Some(value), "{host} {at}");
        }
    }
    assert!(found.values().map(BTreeMap::len).sum::<usize>() > ROUNDS * 500);
    assert_eq!(platform.api.get("/v1/dead").await.unwrap().1["items"], json!([]));
}

/// Series of an answer with `arrays`, by host.
fn read(answer: &Value) -> BTreeMap<String, BTreeMap<i64, f64>> {
    let mut found = BTreeMap::new();
    for series in answer.as_array().unwrap() {
        let points = series["dps"].as_array().unwrap().iter().map(|point| (point[0].as_i64().unwrap(), point[1].as_f64().unwrap()));
        found.insert(series["tags"]["host"].as_str().unwrap().to_owned(), points.collect());
    }
    found
}
