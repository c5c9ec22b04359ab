//! The line to each backend is cut, stalls, is half open, slow, or reset in the place of an answer, one after the other, under load. Everything that
//! was acknowledged is there in the end; and while one store is away the others keep up.

use std::time::{Duration, Instant};

use loki_testing::proof::{self, Spread};
use loki_testing::real::{Kafka, MariaDb, OpenTsdb, Redis, Running, ZooKeeper};

use crate::api::PATIENCE;
use crate::ledger::{Load, Rates};
use crate::platform::{Backends, Platform, SERVICES};
use crate::proxy::{Fault, Proxy};
use crate::rounds::caught_up;

const RATES: Rates = Rates { commands: 50, points: 500 };
const PROOF_RATES: Rates = Rates { commands: 200, points: 2_000 };
/// Longer than a session: members lose their partitions, requests their patience.
const PROOF_LASTS: Duration = Duration::from_secs(30);
const LASTS: Duration = Duration::from_secs(4);
/// Longer than a session of 6 s.
const STANDS: Duration = Duration::from_secs(9);
const PROOF_STOPS: usize = 5;
/// In seconds. Proof has the machine for itself.
const PROOF_LAG_MAX: f64 = 2.0;

/// A backend, the projectors that need it beside Kafka, and what befalls its line in `make test`.
const LINES: [(&str, &[&str], Fault); 5] = [
    ("kafka", &["mysql", "zookeeper", "redis", "opentsdb"], Fault::Cut),
    ("mysql", &["mysql"], Fault::ResetAfterReply),
    ("zookeeper", &["zookeeper"], Fault::HalfOpen),
    ("redis", &["redis"], Fault::Stall),
    ("opentsdb", &["opentsdb"], Fault::Slow),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_line_nothing_is_lost_and_the_others_keep_up() {
    let mut site = Site::start().await;
    let (rates, lasts) = if proof::is_running() { (PROOF_RATES, PROOF_LASTS) } else { (RATES, LASTS) };
    let load = Load::start(&site.platform.api, rates);
    let mut told = Vec::new();
    for (line, (name, needing, usual)) in LINES.iter().enumerate() {
        let faults = if proof::is_running() { Fault::ALL.to_vec() } else { vec![*usual] };
        let (mut others, mut recovered) = (0.0_f64, Spread::default());
        for fault in faults {
            site.proxies[line].set(Some(fault));
            let lag = site.lag_of_others(needing, lasts).await;
            others = others.max(lag);
            site.proxies[line].set(None);
            let (took, last) = site.caught_up().await;
            recovered.add(took);
            eprintln!(
                "{name} {fault:?}: {}; caught up {:.1} s after it had ended, {last} last",
                of_others(needing, lag),
                took.as_secs_f64()
            );
        }
        told.push(format!("| line to {name} | {} | {recovered} |", of_others(needing, others)));
    }
    told.extend(site.stand_still().await);
    let ledger = load.end().await;
    site.platform.api.settled().await;
    site.platform.verify();
    assert_eq!(ledger.differences(&site.platform.api).await, Vec::<String>::new());
    assert_eq!(site.late, Vec::<String>::new());
    let (commands, points, lasts) = (ledger.commands(), ledger.points(), lasts.as_secs());
    let head = format!(
        "lines cut, stalled, half open, slow and reset in the place of an answer, {lasts} s each: {commands} commands and {points} points \
         acknowledged; 0 lost, 0 double, order kept, `loki verify` clean\n\n| away | meanwhile | caught up, once it is back |\n| --- | --- | --- |"
    );
    proof::tell("lines", &format!("{head}\n{}", told.join("\n")));
}

fn of_others(needing: &[&str], lag: f64) -> String {
    if needing.len() == 4 { "all wait for it".to_owned() } else { format!("the others' lag at most {lag:.1} s") }
}

/// The platform over backends of its own, each behind a proxy.
struct Site {
    platform: Platform,
    /// In the order of [`LINES`].
    proxies: [Proxy; 5],
    /// Likewise.
    backends: Vec<Running>,
    /// Who was further behind than it may without need.
    late: Vec<String>,
}

impl Site {
    async fn start() -> Self {
        let proxies = [Proxy::bind().await, Proxy::bind().await, Proxy::bind().await, Proxy::bind().await, Proxy::bind().await];
        let advertised = proxies[0].address();
        let starting = [
            tokio::task::spawn_blocking(move || Running::start_behind(&Kafka, &advertised)),
            tokio::task::spawn_blocking(|| Running::start(&MariaDb)),
            tokio::task::spawn_blocking(|| Running::start(&ZooKeeper)),
            tokio::task::spawn_blocking(|| Running::start(&Redis)),
            tokio::task::spawn_blocking(|| Running::start(&OpenTsdb)),
        ];
        let mut backends = Vec::new();
        for (backend, proxy) in starting.into_iter().zip(&proxies) {
            let backend = backend.await.unwrap().unwrap();
            proxy.lead_to(backend.address());
            backends.push(backend);
        }
        let url = |line: usize| proxies[line].before(&backends[line].url(), &backends[line].address());
        let addresses = Backends { kafka: url(0), mysql: url(1), zookeeper: url(2), redis: url(3), opentsdb: url(4) };
        Self { platform: Platform::real(&addresses).await, proxies, backends, late: Vec::new() }
    }

    /// SIGSTOP of each backend and of the decider, for longer than a session lasts; rows of the table.
    async fn stand_still(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        // without proof the decider alone: each store's own suite stops its server
        let times = if proof::is_running() { PROOF_STOPS } else { 0 };
        for (line, (name, needing, _)) in LINES.iter().enumerate() {
            let (mut others, mut recovered) = (0.0_f64, Spread::default());
            for _ in 0..times {
                self.backends[line].pause().unwrap();
                others = others.max(self.lag_of_others(needing, STANDS).await);
                self.backends[line].resume().unwrap();
                let (took, last) = self.caught_up().await;
                recovered.add(took);
                eprintln!("{name} stopped: caught up after {:.1} s, {last} last", took.as_secs_f64());
            }
            if times > 0 {
                told.push(format!(
                    "| {name}, SIGSTOP {times} times {} s | {} | {recovered} |",
                    STANDS.as_secs(),
                    of_others(needing, others)
                ));
            }
        }
        let (mut others, mut recovered) = (0.0_f64, Spread::default());
        for _ in 0..times.max(1) {
            self.platform.pause("decider");
            others = others.max(self.lag_of_others(&[], STANDS).await);
            self.platform.resume("decider");
            recovered.add(self.caught_up().await.0);
        }
        told.push(format!("| decider, SIGSTOP {} times {} s | {} | {recovered} |", times.max(1), STANDS.as_secs(), of_others(&[], others)));
        told
    }

    /// How long it takes, and who is last. Only then the metrics say so too.
    async fn caught_up(&mut self) -> (Duration, String) {
        let back = Instant::now();
        let last = caught_up(&mut self.platform, &SERVICES.map(|service| (service, service))).await;
        let took = back.elapsed();
        while self.longest_lag(&[]).await > PROOF_LAG_MAX {
            assert!(back.elapsed() < took + PATIENCE, "the metrics still tell of a lag");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        (took, last)
    }

    /// The longest that a projector was behind meanwhile which does not need what is away, in seconds.
    async fn lag_of_others(&mut self, needing: &[&str], lasts: Duration) -> f64 {
        let started = Instant::now();
        let mut longest = 0.0_f64;
        while started.elapsed() < lasts {
            let lag = self.longest_lag(needing).await;
            if proof::is_running() && lag > PROOF_LAG_MAX {
                self.late.push(format!("{lag:.1} s while {needing:?} could do nothing"));
            }
            longest = longest.max(lag);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        longest
    }

    async fn longest_lag(&self, needing: &[&str]) -> f64 {
        let mut longest = 0.0_f64;
        for name in ["mysql", "zookeeper", "redis", "opentsdb"].into_iter().filter(|name| !needing.contains(name)) {
            let lag = self.platform.metric(name, "lokiops_project_lag_seconds", "").await;
            longest = longest.max(lag.unwrap_or(f64::INFINITY));
        }
        longest
    }
}
