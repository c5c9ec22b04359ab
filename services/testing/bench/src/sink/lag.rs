//! Five million points that nobody has carried yet, and a sink that begins: how fast it is through with them, and what it takes of the memory.

use std::time::Duration;

use anyhow::{Context, Result};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::carrier::{Carrier, Goal};
use super::stand::Stand;

/// Seconds of points: 5,004,000 of 6,000 series.
const SECONDS: usize = 834;
/// Seconds of points in one append: what is made at once.
const APPENDED: usize = 50;
const LOOK_EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(600);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CaughtUp {
    pub(super) points: usize,
    /// Points in a second, from when its process was started until all is stored.
    pub(super) from_start: f64,
    /// Likewise, from the first point that was stored.
    pub(super) from_first: f64,
    /// The most memory that it had, in bytes.
    pub(super) memory: u64,
}

/// Each time by series of its own: those of an earlier time have points up to now, and none can be of the time to come.
pub(super) async fn catch_up(stand: &mut Stand, round: usize) -> Result<CaughtUp> {
    let by = format!("lag{round}");
    let begin = stand.ends().await?;
    let mut parts = Vec::new();
    for part in (0..SECONDS).step_by(APPENDED) {
        let backlog = stand.points_since(&by, SECONDS, APPENDED.min(SECONDS - part))?;
        stand.append(stand.records(&backlog)).await?;
        parts.push((backlog.points(), backlog.count_question(&format!("by={by}"), "")));
    }
    let points: usize = parts.iter().map(|(points, _)| points).sum();
    let goal = Goal { ends: stand.ends().await?, taken: 0, stored: points as u64 };
    let watch = Stopwatch::start();
    let mut carrying = Carrier::Loki.start(stand, &begin).await?;
    let mut first = None;
    while !carrying.is_done(stand, &goal).await? {
        if first.is_none() && carrying.stored(stand).await? > 0 {
            first = Some(watch.elapsed());
        }
        anyhow::ensure!(watch.elapsed() < PATIENCE, "it does not get done: {}", carrying.process.said());
        task::sleep(LOOK_EVERY).await;
    }
    let elapsed = watch.elapsed();
    let memory = carrying.process.memory_peak()?;
    carrying.process.stop().await?;
    let mut found = 0;
    for (_, question) in &parts {
        found += stand.count(question).await?;
    }
    anyhow::ensure!(found == points, "{found} of {points} points are there");
    let first = first.context("all was stored at one look")?;
    Ok(CaughtUp {
        points,
        from_start: points as f64 / elapsed.as_secs_f64(),
        from_first: points as f64 / (elapsed - first).as_secs_f64(),
        memory,
    })
}
