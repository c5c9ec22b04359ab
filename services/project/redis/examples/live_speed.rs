//! How fast the store takes samples and facts and answers, and how much memory it needs: `cargo run --release -p loki-redis --example live_speed`.
//!
//! It starts a Redis of its own. What a step costs is time in which Redis serves nobody else.

use std::sync::Arc;
use std::time::Duration;

use loki_domain::{
    Entity, Instant, Labels, LogId, Mount, Node, NodeId, Sample, Series, Server, ServerId, ServerState, Source, Tags, Value,
};
use loki_log::{Partition, Record, Topic};
use loki_redis::Config;
use loki_redis::facts::{RedisProjection, RedisServers, ServersReader};
use loki_redis::samples::{Filter, Limits, Reader, RedisSamples, SamplesReader, SamplesStore, Shape, Write, fold};
use loki_runner::{Batch, Projection, State, Target};
use loki_runtime::Clock;
use loki_runtime::clock::Stopwatch;
use loki_testing::real::{Redis, Running};
use loki_wire::{Change, Fact};

const HOSTS: usize = 50_000;
const NODES: usize = 5_000;
const METRICS: usize = 4;

fn main() {
    let server = Running::start(&Redis).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        samples(&server).await;
        facts(&server).await;
    });
}

fn say(line: &str) {
    eprintln!("{line}");
}

async fn memory(server: &Running) -> u64 {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

async fn slowest(server: &Running) -> Duration {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let entries: Vec<Vec<redis::Value>> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(&mut connection).await.unwrap();
    redis::cmd("SLOWLOG").arg("RESET").query_async::<()>(&mut connection).await.unwrap();
    let of = |entry: &Vec<redis::Value>| if let redis::Value::Int(micros) = entry[2] { micros as u64 } else { 0 };
    Duration::from_micros(entries.iter().map(of).max().unwrap_or_default())
}

async fn samples(server: &Running) {
    let shape = Shape::new(1);
    let store: Arc<dyn SamplesStore> = Arc::new(RedisSamples::new(&Config::new(server.url()), shape, Clock::system()).unwrap());
    let before = memory(server).await;
    store.begin(0, None, LogId::MIN, 0).await.unwrap();
    let mut position = 0;
    for round in 0..3i64 {
        let (watch, mut written) = (Stopwatch::start(), 0);
        let mut folding = Duration::ZERO;
        for hosts in (0..HOSTS).collect::<Vec<_>>().chunks(250) {
            let points: Vec<Sample> = hosts.iter().flat_map(|host| (0..METRICS).map(move |metric| point(*host, metric, round))).collect();
            let (value, headers) = loki_wire::sample::write(&points);
            let partition = Partition::only(&Topic::new("samples"));
            let record = Record { partition, offset: position, timestamp_ms: 1_000 + round, key: None, value: Some(value), headers };
            let fold_watch = Stopwatch::start();
            let folded = fold(&[record], position, position + 1, 0, shape, Limits { series: 1_000, bytes: 1 << 20 });
            folding += fold_watch.elapsed();
            for step in &folded.steps {
                store.apply(0, Write { log: LogId::MIN, step, state: State::Live, ended_ms: None }).await.unwrap();
            }
            position += 1;
            written += points.len();
        }
        let took = watch.elapsed();
        say(&format!(
            "samples, round {round}: {:.0} points a second, of which {:.0} % is reading and folding them; the slowest step {:?}",
            written as f64 / took.as_secs_f64(),
            100.0 * folding.as_secs_f64() / took.as_secs_f64(),
            slowest(server).await
        ));
    }
    let series = HOSTS * METRICS;
    say(&format!("samples: {} bytes a series", (memory(server).await - before) / series as u64));
    let reader = Reader::new(store);
    let filter = Filter { metric: "host.metric1".parse().unwrap(), tags: vec![("host".to_owned(), "web-4711".to_owned())] };
    let (watch, mut pages, mut after, mut found) = (Stopwatch::start(), 0, None, 0);
    loop {
        let page = reader.last(&filter, after.as_deref(), 100).await.unwrap();
        (pages, found, after) = (pages + 1, found + page.values.len(), page.next);
        if after.is_none() {
            break;
        }
    }
    say(&format!(
        "samples: {found} of {HOSTS} series found in {pages} questions, {:?}; the slowest {:?}",
        watch.elapsed(),
        slowest(server).await
    ));
    let hosts: Vec<String> = (0..1_000).map(|host| format!("web-{host}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let watch = Stopwatch::start();
    reader.presence(&hosts).await.unwrap();
    say(&format!("samples: the presence of 1,000 hosts in {:?}", watch.elapsed()));
}

fn point(host: usize, metric: usize, round: i64) -> Sample {
    let (name, rack) = (format!("web-{host}"), format!("r{}", host % 100));
    let tags = Tags::new([("host", name.as_str()), ("idc", "east-1"), ("rack", rack.as_str())]).unwrap();
    let series = Series::new(format!("host.metric{metric}").parse().unwrap(), tags);
    Sample { series, at: Instant::new(1_700_000_000 + round).unwrap(), value: Value::new(host as f64 / 7.0).unwrap() }
}

async fn facts(server: &Running) {
    let before = memory(server).await;
    let mut projection = RedisProjection::new(&Config::new(server.url()), Clock::system()).unwrap();
    let changes: Vec<Change> = (0..NODES)
        .map(|number| node(number, (number > 0).then(|| (number - 1) / 10)))
        .chain((0..HOSTS).map(|number| machine(number, "online")))
        .chain((0..HOSTS).map(|number| mount(number % NODES, number)))
        .collect();
    projection.begin_rebuild(LogId::MIN, 0).await.unwrap();
    let watch = Stopwatch::start();
    let mut position = 0;
    for some in changes.chunks(1_000) {
        apply(&mut projection, Target::Shadow, &mut position, some).await;
    }
    projection.finish_rebuild(LogId::MIN, position, 1).await.unwrap();
    say(&format!(
        "facts: {} filled in {:?}, the slowest step {:?}; {} MiB",
        changes.len(),
        watch.elapsed(),
        slowest(server).await,
        (memory(server).await - before) >> 20
    ));
    let reader = RedisServers::new(&Config::new(server.url())).unwrap();
    for (question, recursive) in [("/n0", true), ("/n0", true), ("/n0/n1", true), ("/n0/n7/n77", false)] {
        let watch = Stopwatch::start();
        let answer = reader.servers(question, recursive).await.unwrap().value.unwrap();
        say(&format!(
            "facts: `{question}`{}: {} KiB in {:?}; the slowest script {:?}",
            if recursive { " and all under it" } else { "" },
            answer.body.len() >> 10,
            watch.elapsed(),
            slowest(server).await
        ));
    }
    apply(&mut projection, Target::Main, &mut position, &[machine(7, "offline")]).await;
    let watch = Stopwatch::start();
    reader.servers("/n0", true).await.unwrap();
    say(&format!("facts: `/n0` and all under it, after a change: {:?}; the slowest script {:?}", watch.elapsed(), slowest(server).await));
    let (watch, mut asked) = (Stopwatch::start(), 0);
    while watch.elapsed() < Duration::from_secs(2) {
        futures::future::try_join_all((0..100).map(|_| reader.servers("/n0/n7/n77", false))).await.unwrap();
        asked += 100;
    }
    say(&format!("facts: {:.0} answers a second of one kept node, over one connection", asked as f64 / watch.elapsed().as_secs_f64()));
}

async fn apply(projection: &mut RedisProjection, target: Target, position: &mut u64, changes: &[Change]) {
    let facts: Vec<Fact> = changes
        .iter()
        .zip(*position..)
        .map(|(change, offset)| Fact { offset, command: offset, last: true, change: change.clone() })
        .collect();
    let (from, to) = (*position, *position + facts.len() as u64);
    let batch = Batch { log: LogId::MIN, target, from, to, items: &facts, state: State::Live, ended_ms: None };
    projection.apply(batch).await.unwrap();
    *position = to;
}

fn digest(number: usize) -> [u8; 32] {
    loki_wire::digest::sha256(&[&number.to_be_bytes()])
}

fn node(number: usize, parent: Option<usize>) -> Change {
    let id = |number| NodeId::from_digest(&digest(number));
    Change::Set(Entity::Node(Node {
        id: id(number),
        parent: parent.map(id),
        name: format!("n{number}").parse().unwrap(),
        labels: Labels::default(),
        contacts: vec![],
        defaults: Labels::default(),
    }))
}

fn machine(number: usize, state: &str) -> Change {
    Change::Set(Entity::Server(Server {
        id: ServerId::from_digest(&digest(number)),
        name: format!("web-{number}.east-1.example.com").parse().unwrap(),
        serial: Some(format!("SN{number:08}").parse().unwrap()),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        idc: Some("east-1".parse().unwrap()),
        labels: Labels::default(),
        state: state.parse::<ServerState>().unwrap(),
    }))
}

fn mount(node: usize, server: usize) -> Change {
    let (node, server) = (NodeId::from_digest(&digest(node)), ServerId::from_digest(&digest(server)));
    Change::Set(Entity::Mount(Mount { node, server, offline: false, ratio: None, source: Source::Manual }))
}
