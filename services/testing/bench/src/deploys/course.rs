//! What a reader of the facts sees of a run, and when.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use loki_domain::{Entity, RunId, RunState, TaskState};
use loki_runtime::clock::Stopwatch;
use loki_wire::{Change, fact};

use super::cell::Cell;

const PATIENCE: Duration = Duration::from_secs(300);

/// A run from its first fact to its end.
pub(super) struct Course {
    pub(super) batches: Vec<Batch>,
}

pub(super) struct Batch {
    pub(super) servers: usize,
    /// From the fact that begins it to the one that begins the next or ends the run.
    pub(super) lasted: Duration,
    /// Until all were told, and until the first and the last got done.
    told: Duration,
    first: Duration,
    last: Duration,
}

#[derive(Default)]
struct Seen {
    begun: Option<Duration>,
    servers: usize,
    told: Duration,
    first: Option<Duration>,
    last: Duration,
}

impl Course {
    pub(super) fn servers(&self) -> usize {
        self.batches.iter().map(|batch| batch.servers).sum()
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, batch) in self.batches.iter().enumerate() {
            let comma = if number > 0 { "; " } else { "" };
            let [told, first, last, lasted] = [batch.told, batch.first, batch.last, batch.lasted].map(|time| time.as_millis());
            write!(f, "{comma}{} told within {told} ms, done {first} to {last} ms, {lasted} ms", batch.servers)?;
        }
        Ok(())
    }
}

/// Reads until the run has ended; it must succeed, on all servers.
pub(super) async fn follow(cell: &mut Cell, run: &str, from: u64) -> Result<Course> {
    let id: RunId = run.parse().ok().context("no id of a run")?;
    let mut reader = cell.site().log.reader(&cell.site().facts(), from).await?;
    let mut seen: BTreeMap<u32, Seen> = BTreeMap::new();
    let watch = Stopwatch::start();
    loop {
        let batch = reader.read(5_000, Duration::from_secs(1)).await?;
        let now = watch.elapsed();
        cell.check()?;
        anyhow::ensure!(now < PATIENCE, "run {run} does not end");
        for record in &batch.records {
            let read = fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers)?;
            match read.change {
                Change::Set(Entity::Task(host)) if host.run == id => {
                    let batch = seen.entry(host.batch).or_default();
                    match host.state {
                        TaskState::Pending => {
                            batch.servers += 1;
                            batch.told = now;
                        }
                        TaskState::Succeeded => {
                            batch.first.get_or_insert(now);
                            batch.last = now;
                        }
                        _ => {}
                    }
                }
                Change::Set(Entity::Run(run)) if run.id == id && run.state.is_ended() => {
                    anyhow::ensure!(run.state == RunState::Succeeded, "the run is {}: {:?}", run.state, run.why);
                    return course(&seen, now, run.servers as usize);
                }
                Change::Set(Entity::Run(run)) if run.id == id => {
                    seen.entry(run.batch).or_default().begun.get_or_insert(now);
                }
                _ => {}
            }
        }
    }
}

fn course(seen: &BTreeMap<u32, Seen>, ended: Duration, servers: usize) -> Result<Course> {
    let begun: Vec<Duration> = seen.values().map(|batch| batch.begun.context("a batch has no begin")).collect::<Result<_>>()?;
    let ends = begun.iter().skip(1).copied().chain([ended]);
    let batches = seen.values().zip(&begun).zip(ends).map(|((batch, begun), end)| Batch {
        servers: batch.servers,
        lasted: end - *begun,
        told: batch.told.saturating_sub(*begun),
        first: batch.first.unwrap_or_default().saturating_sub(*begun),
        last: batch.last.saturating_sub(*begun),
    });
    let course = Course { batches: batches.collect() };
    anyhow::ensure!(course.servers() == servers, "{} of {servers} servers were told once", course.servers());
    Ok(course)
}
