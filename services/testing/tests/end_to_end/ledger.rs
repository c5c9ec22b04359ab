//! A load from outside the platform, and a ledger of what of it was acknowledged. In the end all of that is there: once, in order, with its value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loki_core::generate::{Asked, Wild};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::api::{Api, PATIENCE};

/// Each sends one command after another: its commands have an order. So many that the rate does not hang on how long one takes.
const SENDERS: u64 = 48;
/// Each has a metric and sends a point of each of its series at once.
const PUTTERS: usize = 4;
const HOSTS: usize = 10;
const CORES: usize = 25;
const SERIES: usize = HOSTS * CORES;

/// A second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) commands: u64,
    pub(crate) points: u64,
}

pub(crate) struct Load {
    done: Arc<AtomicBool>,
    begin_ms: i64,
    /// Between two points of a series.
    step_ms: i64,
    commands: Arc<AtomicUsize>,
    puts: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<Vec<Sent>>>,
    putters: Vec<JoinHandle<usize>>,
}

/// A command, and the position with which it was acknowledged.
struct Sent {
    asked: Asked,
    position: String,
}

impl Load {
    pub(crate) fn start(api: &Api, rates: Rates) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (commands, puts): (Arc<AtomicUsize>, Arc<AtomicUsize>) = (Arc::default(), Arc::default());
        let step = Duration::from_secs(1) * u32::try_from(PUTTERS * SERIES).unwrap() / u32::try_from(rates.points).unwrap();
        let step_ms = i64::try_from(step.as_millis()).unwrap();
        let begin_ms = now_ms();
        let senders = (0..SENDERS).map(|sender| {
            let (api, done, counted) = (api.clone(), Arc::clone(&done), Arc::clone(&commands));
            let pace = Duration::from_secs(1) * u32::try_from(SENDERS).unwrap() / u32::try_from(rates.commands).unwrap();
            tokio::spawn(send(api, sender, pace, done, counted))
        });
        let putters = (0..PUTTERS).map(|putter| {
            let (api, done, counted) = (api.clone(), Arc::clone(&done), Arc::clone(&puts));
            tokio::spawn(put(api, putter, begin_ms, step, done, counted))
        });
        let (senders, putters) = (senders.collect(), putters.collect());
        Self { done, begin_ms, step_ms, commands, puts, senders, putters }
    }

    /// Commands and points that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> (usize, usize) {
        (self.commands.load(Ordering::Relaxed), self.puts.load(Ordering::Relaxed) * SERIES)
    }

    /// Ends when everything that was begun is acknowledged.
    pub(crate) async fn end(self) -> Ledger {
        self.done.store(true, Ordering::SeqCst);
        let mut ledger = Ledger { begin_ms: self.begin_ms, step_ms: self.step_ms, sent: Vec::new(), put: Vec::new() };
        for sender in self.senders {
            ledger.sent.push(sender.await.unwrap());
        }
        for putter in self.putters {
            ledger.put.push(putter.await.unwrap());
        }
        ledger
    }
}

async fn send(api: Api, sender: u64, pace: Duration, done: Arc<AtomicBool>, counted: Arc<AtomicUsize>) -> Vec<Sent> {
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = Vec::new();
    for asked in Wild::new(5_000 + sender) {
        ticks.tick().await;
        if done.load(Ordering::SeqCst) {
            break;
        }
        let answer = api.send(&asked, false).await;
        let position = answer["position"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        sent.push(Sent { asked, position });
        counted.fetch_add(1, Ordering::Relaxed);
    }
    sent
}

/// How many points of each series it has put.
async fn put(api: Api, putter: usize, begin_ms: i64, step: Duration, done: Arc<AtomicBool>, counted: Arc<AtomicUsize>) -> usize {
    let mut ticks = tokio::time::interval(step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let step_ms = i64::try_from(step.as_millis()).unwrap();
    for number in 0.. {
        ticks.tick().await;
        if done.load(Ordering::SeqCst) {
            return number;
        }
        let at_ms = begin_ms + i64::try_from(number).unwrap() * step_ms;
        let points: Vec<String> = (0..SERIES).map(|series| point(putter, series, at_ms, number)).collect();
        let body = format!("[{}]", points.join(","));
        let started = Instant::now();
        loop {
            let why = match api.post("/api/put", body.clone()).await {
                Ok((204, _)) => break,
                Ok((503, answer)) => answer.to_string(),
                Ok((status, answer)) => panic!("points were answered {status} {answer}"),
                Err(error) => error.to_string(),
            };
            assert!(started.elapsed() < PATIENCE, "points are not acknowledged: {why}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        counted.fetch_add(1, Ordering::Relaxed);
    }
    0
}

fn point(putter: usize, series: usize, at_ms: i64, number: usize) -> String {
    let (host, core, value) = (series / CORES, series % CORES, value(series, number));
    format!(r#"{{"metric":"load.m{putter}","timestamp":{at_ms},"value":{value},"tags":{{"host":"h{host}","core":"c{core}"}}}}"#)
}

/// Another one for each point of a series, so that none is taken for another.
fn value(series: usize, number: usize) -> f64 {
    (series * 1_000_000 + number) as f64
}

/// What was acknowledged.
pub(crate) struct Ledger {
    begin_ms: i64,
    step_ms: i64,
    /// Of each sender, in its order.
    sent: Vec<Vec<Sent>>,
    /// Of each putter, how many points of each series.
    put: Vec<usize>,
}

impl Ledger {
    pub(crate) fn commands(&self) -> usize {
        self.sent.iter().map(Vec::len).sum()
    }

    pub(crate) fn points(&self) -> usize {
        self.put.iter().sum::<usize>() * SERIES
    }

    /// Compares it with what the platform says once it has settled; all that differs.
    pub(crate) async fn differences(&self, api: &Api) -> Vec<String> {
        let mut differences = self.of_commands(&api.audit().await);
        self.of_points(api, &mut differences).await;
        let of_samples = api.letters().await.into_keys().filter(|id| id.contains("samples")).count();
        if of_samples > 0 {
            differences.push(format!("{of_samples} letters of good points"));
        }
        differences
    }

    /// Each command has one outcome that is no repetition, at or before the position with which it was acknowledged, in the order of its sender.
    fn of_commands(&self, audit: &[Value]) -> Vec<String> {
        let mut differences = Vec::new();
        let mut firsts: HashMap<(&str, &str), Vec<u64>> = HashMap::new();
        let mut positions: HashMap<u64, &Value> = HashMap::new();
        for line in audit {
            let at = number(&line["position"]);
            if positions.insert(at, line).is_some() {
                differences.push(format!("c{at} has two outcomes"));
            }
            if line["outcome"] != "duplicate" && line["code"] != "id_reused" {
                let name = (line["actor"].as_str().unwrap_or_default(), line["id"].as_str().unwrap_or_default());
                firsts.entry(name).or_default().push(at);
            }
        }
        for sender in &self.sent {
            let mut before = None;
            for Sent { asked, position } in sender {
                let name = (asked.actor.as_str(), asked.id.as_str());
                if !positions.contains_key(&number(&Value::from(position.as_str()))) {
                    differences.push(format!("{name:?} was acknowledged at {position} and has no outcome there"));
                }
                match firsts.remove(&name).as_deref() {
                    // a repetition of one that was seen already
                    None => {}
                    Some([first]) => {
                        if before > Some(*first) {
                            differences.push(format!("{name:?} at c{first} came before what was acknowledged before it was sent"));
                        }
                        before = Some(*first);
                    }
                    Some(all) => differences.push(format!("{name:?} was decided at {all:?}")),
                }
            }
        }
        differences
    }

    async fn of_points(&self, api: &Api, differences: &mut Vec<String>) {
        let end = now_ms() / 1_000 + 3_600;
        for (putter, put) in self.put.iter().enumerate() {
            for host in 0..HOSTS {
                let path = format!("/api/query?start=1h-ago&end={end}&ms=true&arrays=true&m=none:load.m{putter}%7Bhost=h{host},core=*%7D");
                let (status, answer) = api.get(&path).await.unwrap();
                let lines = answer.as_array().cloned().unwrap_or_default();
                if status != 200 || lines.len() != CORES {
                    differences.push(format!(
                        "load.m{putter} of h{host} has {} series ({status}): {:.300}",
                        lines.len(),
                        answer.to_string()
                    ));
                }
                for line in lines {
                    let core: usize = line["tags"]["core"].as_str().and_then(|core| core[1..].parse().ok()).unwrap();
                    let points: BTreeMap<i64, f64> = line["dps"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|point| (point[0].as_i64().unwrap(), point[1].as_f64().unwrap()))
                        .collect();
                    let expected = (0..*put)
                        .map(|number| (self.begin_ms + i64::try_from(number).unwrap() * self.step_ms, value(host * CORES + core, number)));
                    let wrong = expected.filter(|(at_ms, value)| points.get(at_ms) != Some(value)).count();
                    if wrong > 0 || points.len() != *put {
                        let stored = points.len();
                        differences
                            .push(format!("load.m{putter} h{host} c{core}: of {put} points {stored} are stored, {wrong} lack or differ"));
                    }
                }
            }
        }
    }
}

/// The number of a position.
pub(crate) fn number(position: &Value) -> u64 {
    position.as_str().and_then(|text| text.get(1..)?.parse().ok()).unwrap_or_else(|| panic!("{position} is no position"))
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
