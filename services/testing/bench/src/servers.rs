//! `GET /v1/servers?node=`, some 50 servers, against a bare axum handler that answers the same bytes and headers; and the same with 304.
//!
//! Both servers live in this process, so that neither has more cores; the tree is the one in memory, whose answers the cache of ZooKeeper
//! gives as well.

use anyhow::{Context, Result};
use axum::http::{StatusCode, header};
use loki_core::generate::{Asked, inventory};
use loki_runtime::Shutdown;
use loki_zookeeper::Memory;

use crate::api::Given;
use crate::figure::Figure;
use crate::{answers, api, bare, facts, turns, wrk};

const ROUNDS: usize = 24;
const BAR: f64 = 0.6;
const BAR_NOT_MODIFIED: f64 = 0.8;
pub(crate) const PATH: &str = "/v1/servers?node=/acme/g0/n0";
const SERVERS: usize = 1_000;
const NODES: usize = 20;

/// The tree that is asked.
pub(crate) fn site() -> Vec<Asked> {
    inventory(NODES, SERVERS, 0)
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let shutdown = Shutdown::new();
    let tree = Memory::default();
    facts::fill(&mut tree.projection(), &facts::of(site())?).await?;
    let ours = format!("http://{}{PATH}", api::start(folder.path(), Given { tree, ..Given::default() }, &shutdown).await?);
    let answer = answers::first(&ours).await?;
    println!("{} bytes, headers {:?}", answer.body.len(), answer.headers);
    let etag = answer.headers.get(header::ETAG).context("no tag")?.to_str()?.to_owned();
    let peer = format!("http://{}{PATH}", bare::fixed(answer).await?);
    answers::same(&ours, &peer, None).await?;

    let not_modified = answers::ask(&ours, Some(&etag)).await?;
    anyhow::ensure!(not_modified.status == StatusCode::NOT_MODIFIED, "`If-None-Match` gives {}", not_modified.status);
    let peer_not_modified = format!("http://{}{PATH}", bare::fixed(not_modified).await?);
    answers::same(&ours, &peer_not_modified, Some(&etag)).await?;

    let condition = format!("If-None-Match: {etag}");
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    // the first round warms up and does not count
    for round in 0..=ROUNDS {
        let pair = turns::take(round, async || wrk::run(&ours, None).await, async || wrk::run(&peer, None).await).await?;
        let (ours_304, peer_304) =
            (async || wrk::run(&ours, Some(&condition)).await, async || wrk::run(&peer_not_modified, Some(&condition)).await);
        let pair_304 = turns::take(round, ours_304, peer_304).await?;
        println!("round {round}: 200 {:.0} and {:.0} requests/s, 304 {:.0} and {:.0}", pair.0, pair.1, pair_304.0, pair_304.1);
        if round > 0 {
            full.push(pair);
            empty.push(pair_304);
        }
    }
    shutdown.begin();
    Ok(vec![Figure::against_peer("servers", &full, BAR), Figure::against_peer("servers 304", &empty, BAR_NOT_MODIFIED)])
}
