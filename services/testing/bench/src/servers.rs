//! `GET /v1/servers?node=`, some 50 servers, against a bare axum handler that answers the same bytes and headers; and the same with 304.
//!
//! Both servers live in this process, so that neither has more cores; the tree is the one in memory, whose answers the cache of ZooKeeper
//! gives as well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use loki_api::{Api, Config, Sources};
use loki_cli::client::plain;
use loki_core::generate::inventory;
use loki_core::{State as Tree, decide};
use loki_domain::LogId;
use loki_intake::Intake;
use loki_log::sqlite::{Options, SqliteLog};
use loki_log::{Log, Topic, declared};
use loki_mysql::{Readers, migrate};
use loki_opentsdb::Embedded;
use loki_redis::samples::{MemorySamples, Reader, Shape};
use loki_runner::{Batch, Projection, State, Target};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Secret, Shutdown, task};
use loki_series::Store;
use loki_telemetry::{Health, Metrics};
use loki_wire::{Change, Fact, Topics};
use loki_zookeeper::Memory;

use crate::figure::Figure;
use crate::wrk;

const ROUNDS: usize = 24;
const BAR: f64 = 0.6;
const BAR_NOT_MODIFIED: f64 = 0.8;
const PATH: &str = "/v1/servers?node=/acme/g0/n0";
const SERVERS: usize = 1_000;
const NODES: usize = 20;
const READY_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let shutdown = Shutdown::new();
    let ours = format!("http://{}{PATH}", ours(folder.path(), &shutdown).await?);
    let answer = first_answer(&ours).await?;
    let headers = own_headers(answer.headers());
    let etag = headers.get(header::ETAG).context("no tag")?.to_str()?.to_owned();
    let body = answer.bytes().await?;
    println!("{} bytes, headers {headers:?}", body.len());
    let peer = format!("http://{}{PATH}", bare(StatusCode::OK, headers, body).await?);
    same(&ours, &peer, None).await?;

    let not_modified = ask(&ours, Some(&etag)).await?;
    anyhow::ensure!(not_modified.0 == StatusCode::NOT_MODIFIED, "`If-None-Match` gives {}", not_modified.0);
    let peer_not_modified = format!("http://{}{PATH}", bare(not_modified.0, not_modified.1, Bytes::new()).await?);
    same(&ours, &peer_not_modified, Some(&etag)).await?;

    let condition = format!("If-None-Match: {etag}");
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    // the first round warms up and does not count
    for round in 0..=ROUNDS {
        let pair = side_by_side(round, [&ours, &peer], None).await?;
        let pair_304 = side_by_side(round, [&ours, &peer_not_modified], Some(condition.as_str())).await?;
        println!("round {round}: 200 {:.0} and {:.0} requests/s, 304 {:.0} and {:.0}", pair.0, pair.1, pair_304.0, pair_304.1);
        if round > 0 {
            full.push(pair);
            empty.push(pair_304);
        }
    }
    shutdown.begin();
    Ok(vec![Figure::against_peer("servers", &full, BAR), Figure::against_peer("servers 304", &empty, BAR_NOT_MODIFIED)])
}

/// Both in turn; who begins changes from round to round.
async fn side_by_side(round: usize, [ours, peer]: [&str; 2], header: Option<&str>) -> Result<(f64, f64)> {
    if round.is_multiple_of(2) {
        let ours = wrk::run(ours, header).await?;
        return Ok((ours, wrk::run(peer, header).await?));
    }
    let peer = wrk::run(peer, header).await?;
    Ok((wrk::run(ours, header).await?, peer))
}

/// Readers get 503 until the API knows how far the stores must be.
async fn first_answer(url: &str) -> Result<reqwest::Response> {
    let watch = Stopwatch::start();
    loop {
        let answer = plain().build()?.get(url).send().await?;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE || watch.elapsed() > READY_WITHIN {
            return Ok(answer.error_for_status()?);
        }
        task::sleep(Duration::from_millis(50)).await;
    }
}

/// The API as its process runs it.
async fn ours(folder: &std::path::Path, shutdown: &Shutdown) -> Result<SocketAddr> {
    let log = SqliteLog::open(Options::new(folder.join("log"))).await?;
    log.reconcile_topics(&declared("").into_iter().map(|topic| topic.spec).collect::<Vec<_>>(), true).await?;
    let relational = loki_mysql::Config::sqlite(folder.join("store.db"));
    migrate(&relational).await?;
    let readers = Readers::open(&relational)?;
    let domains = loki_mysql::domain_reader(&loki_mysql::Config::sqlite(folder.join("cdn_system.db")))?;
    let log: Arc<dyn Log> = Arc::new(log);
    let intake = Intake::new(log.clone(), Topic::new(Topics::new("").samples), 12);
    let series = Store::open(&folder.join("series"), loki_series::Options::default())?;
    let sources = Sources {
        log,
        intake,
        series: Arc::new(Embedded::new(Arc::new(series), Clock::system())),
        state: readers.state,
        history: readers.history,
        domains,
        tree: Arc::new(tree().await?),
        servers: None,
        live: Reader::new(Arc::new(MemorySamples::new(Shape::new(12)))),
    };
    let config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: Secret::default(),
        body_max: 1 << 20,
        wait_max: Duration::from_secs(30),
        concurrency_max: 1_024,
        connections_max: 2_560,
        drain: Duration::from_secs(1),
    };
    let metrics = Metrics::install().context("the metrics' recorder")?;
    let upkeep = metrics.clone();
    task::spawn("metrics upkeep", upkeep.upkeep(shutdown.clone()));
    let api = Api::bind(config, sources, &Topics::new(""), Health::new(), metrics, Router::new().into(), shutdown.clone()).await?;
    let address = api.address()?;
    task::spawn("api", api.run());
    Ok(address)
}

/// The tree with the inventory in it.
async fn tree() -> Result<Memory> {
    let mut state = Tree::default();
    let mut facts = Vec::new();
    for (command, asked) in (1..).zip(inventory(NODES, SERVERS, 0)) {
        let decision = decide(&state, &asked.command, &asked.origin(), 0).ok().context("the inventory is not accepted")?;
        let count = decision.facts.len();
        for (index, (key, entity)) in decision.facts.into_iter().enumerate() {
            let change = entity.clone().map_or(Change::Removed(key), Change::Set);
            facts.push(Fact { offset: facts.len() as u64, command, last: index + 1 == count, change });
            drop(state.evolve(key, entity));
        }
    }
    let memory = Memory::default();
    let mut projection = memory.projection();
    let (log, to) = (LogId::from_digest(&[7; 32]), facts.len() as u64);
    projection.begin_rebuild(log, 0).await?;
    let batch = Batch { log, target: Target::Shadow, from: 0, to, items: &facts, state: State::Building, ended_ms: None };
    projection.apply(batch).await?;
    projection.finish_rebuild(log, to, 0).await?;
    Ok(memory)
}

/// The least that axum needs to answer this.
async fn bare(status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let answer = move || {
        let (headers, body) = (headers.clone(), body.clone());
        async move { (status, headers, body) }
    };
    let router = Router::new().route("/v1/servers", get(answer));
    task::spawn("peer", async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Those that the handler sets, not those of the HTTP library.
fn own_headers(headers: &HeaderMap) -> HeaderMap {
    let library = [header::DATE, header::CONTENT_LENGTH];
    headers.iter().filter(|(name, _)| !library.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

async fn ask(url: &str, etag: Option<&str>) -> Result<(StatusCode, HeaderMap, Bytes)> {
    let mut request = plain().build()?.get(url);
    if let Some(etag) = etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let answer = request.send().await?;
    Ok((answer.status(), own_headers(answer.headers()), answer.bytes().await?))
}

/// Status, headers and bytes are the same, or there is nothing to compare.
async fn same(ours: &str, peer: &str, etag: Option<&str>) -> Result<()> {
    let (mut ours, mut peer) = (ask(ours, etag).await?, ask(peer, etag).await?);
    // a bare handler's empty body has a type of its own
    for answer in [&mut ours, &mut peer] {
        if answer.2.is_empty() {
            answer.1.remove(header::CONTENT_TYPE);
        }
    }
    anyhow::ensure!(ours == peer, "the peer answers something else: {:?} {:?}, ours {:?} {:?}", peer.0, peer.1, ours.0, ours.1);
    Ok(())
}
