//! The least that would do: bodies that were made beforehand are put, and a consumer takes all records of the topic meanwhile, and does nothing with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use reqwest::{StatusCode, header};

use super::group::drain;
use super::stand::Stand;

const NAME: &str = "putter";
/// What OpenTSDB takes fastest, as far as was found: HBase's client sends at 1,024.
const POINTS: usize = 1_000;
const CONNECTIONS: usize = 8;

/// Points a second.
pub(super) async fn put(stand: &mut Stand, seconds: usize) -> Result<f64> {
    let backlog = stand.next_points(NAME, seconds)?;
    let bodies: Arc<[Bytes]> = backlog.bodies(POINTS).into();
    let url = format!("http://{}/api/put?sync", stand.store());
    let from = stand.ends().await?;
    stand.append(stand.records(&backlog)).await?;
    let to = stand.ends().await?;

    let (brokers, topic) = (stand.brokers(), stand.topic().to_owned());
    let watch = Stopwatch::start();
    let consumer = task::spawn_blocking("consumer", move || drain(&brokers, &topic, &from, &to));
    let next = Arc::new(AtomicUsize::new(0));
    try_join_all((0..CONNECTIONS).map(|_| connection(stand.http(), &url, &bodies, &next))).await?;
    consumer.await??;
    let elapsed = watch.elapsed();
    let found = stand.found(&backlog, &format!("by={NAME}"), "").await?;
    anyhow::ensure!(found == backlog.points(), "of {} points {found} are there", backlog.points());
    Ok(backlog.points() as f64 / elapsed.as_secs_f64())
}

async fn connection(http: &reqwest::Client, url: &str, bodies: &[Bytes], next: &AtomicUsize) -> Result<()> {
    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        let answer = http.post(url).header(header::CONTENT_TYPE, "application/json").body(body.clone()).send().await?;
        let status = answer.status();
        // to its end, so that the connection can be used again
        let said = answer.bytes().await.context("no answer")?;
        anyhow::ensure!(status == StatusCode::NO_CONTENT, "{status}: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}
