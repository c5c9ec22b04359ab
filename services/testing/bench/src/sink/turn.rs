//! A turn of one carrier: what lies in the topic is in the store at its end.
//!
//! Its process is started before, and carries one point of every series, so that connections and what it knows of series are there. Then it is stopped
//! still while the backlog is appended; the clock starts when it is let go on.

use std::time::Duration;

use anyhow::{Context, Result};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::backlog::Backlog;
use super::carrier::{Carrier, Carrying, Goal};
use super::stand::Stand;

const PATIENCE: Duration = Duration::from_secs(180);
/// The sink is not missed by its group for 6 s; whoever is has to find out again where it was.
const STANDS_FOR: Duration = Duration::from_secs(5);
/// The daemon's `tsd.storage.flush_interval` is a second.
const SENT_ON_WITHIN: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Points in a second.
    pub(super) rate: f64,
    /// Points in a second of a processor that the carrier has used.
    pub(super) per_processor: f64,
    /// Points that are not in the store.
    pub(super) lost: usize,
}

pub(super) async fn carry(stand: &mut Stand, carrier: Carrier, seconds: usize) -> Result<Turn> {
    let name = carrier.name();
    let first = stand.next_points(name, 1)?;
    let backlog = stand.next_points(name, seconds)?;
    let mut carrying = carrier.start(stand, &stand.ends().await?).await?;
    let (mut stored, mut taken) = (first.points() as u64, stand.taken().await? + first.points() as u64);
    stand.append(stand.records(&first)).await?;
    done(stand, &mut carrying, &Goal { ends: stand.ends().await?, taken, stored }).await?;

    let records = stand.records(&backlog);
    let paused = Stopwatch::start();
    carrying.process.pause()?;
    stand.append(records).await?;
    stored += backlog.points() as u64;
    taken += backlog.points() as u64;
    let goal = Goal { ends: stand.ends().await?, taken, stored };
    let used = carrying.process.processor_time()?;
    let stood = paused.elapsed();
    anyhow::ensure!(
        stood < STANDS_FOR,
        "{name} stood still for {} s, and may have lost its group: run it when less else runs",
        stood.as_secs()
    );
    let watch = Stopwatch::start();
    carrying.process.resume()?;
    done(stand, &mut carrying, &goal).await?;
    let elapsed = watch.elapsed();
    let used = carrying.process.processor_time()? - used;

    committed(&carrying, &goal).await?;
    let found = match stand.is_stub() {
        true => backlog.points(),
        false => found(stand, carrier, &backlog).await?,
    };
    carrying.process.stop().await?;
    let points = backlog.points();
    Ok(Turn {
        rate: points as f64 / elapsed.as_secs_f64(),
        per_processor: points as f64 / used.as_secs_f64(),
        lost: points.saturating_sub(found),
    })
}

async fn done(stand: &Stand, carrying: &mut Carrying, goal: &Goal) -> Result<()> {
    // what is asked takes OpenTSDB's time
    let look_every = Duration::from_millis(if stand.is_stub() { 2 } else { 50 });
    let wait = async {
        while !carrying.is_done(stand, goal).await? {
            task::sleep(look_every).await;
        }
        Ok(())
    };
    match task::timeout(PATIENCE, wait).await {
        Some(done) => done,
        None => anyhow::bail!(
            "it does not get done: the store has {} of {} points: {}",
            stand.taken().await?,
            goal.taken,
            carrying.process.said()
        ),
    }
}

/// How many of the points are there. Those that were put without `sync` are given the time in which the daemon sends them on.
async fn found(stand: &Stand, carrier: Carrier, backlog: &Backlog) -> Result<usize> {
    let (by, suffix) = carrier.names();
    let watch = Stopwatch::start();
    loop {
        let found = stand.found(backlog, &by, suffix).await?;
        if found >= backlog.points() || carrier != Carrier::Telegraf || watch.elapsed() > SENT_ON_WITHIN {
            return Ok(found);
        }
        task::sleep(Duration::from_millis(200)).await;
    }
}

/// Each says in the end that it has nothing left to do.
async fn committed(carrying: &Carrying, goal: &Goal) -> Result<()> {
    let wait = async {
        while !carrying.group.has_passed(&goal.ends).await? {
            task::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    task::timeout(PATIENCE, wait).await.context("it commits nothing")?
}
