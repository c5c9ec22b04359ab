//! The question of `servers`, answered from Redis, against a bare axum handler that fetches the same bytes from the same Redis.
//!
//! Ours asks by a script that compares versions, and keeps the body itself while nothing changes; the peer has the body come each time.

use std::sync::Arc;

use anyhow::Result;
use loki_redis::Config;
use loki_redis::facts::{RedisProjection, RedisServers};
use loki_runtime::{Clock, Shutdown};
use loki_testing::real;

use crate::api::Given;
use crate::figure::Figure;
use crate::servers::{PATH, site};
use crate::{answers, api, backends, bare, facts, turns, wrk};

const ROUNDS: usize = 16;

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let redis = backends::start(&real::Redis).await?;
    let config = Config::new(redis.url());
    facts::fill(&mut RedisProjection::new(&config, Clock::system())?, &facts::of(site())?).await?;

    let folder = tempfile::tempdir()?;
    let shutdown = Shutdown::new();
    let given = Given { servers: Some(Arc::new(RedisServers::new(&config)?)), ..Given::default() };
    let ours = format!("http://{}{PATH}", api::start(folder.path(), given, &shutdown).await?);
    let answer = answers::first(&ours).await?;
    println!("{} bytes, headers {:?}", answer.body.len(), answer.headers);
    let peer = format!("http://{}{PATH}", bare::from_redis(&redis.url(), answer).await?);
    answers::same(&ours, &peer, None).await?;

    let mut pairs = Vec::new();
    // the first round warms up and does not count
    for round in 0..=ROUNDS {
        let pair = turns::take(round, async || wrk::run(&ours, None).await, async || wrk::run(&peer, None).await).await?;
        println!("round {round}: {:.0} and {:.0} requests/s", pair.0, pair.1);
        if round > 0 {
            pairs.push(pair);
        }
    }
    shutdown.begin();
    Ok(vec![Figure::beside_peer("live", &pairs)])
}
