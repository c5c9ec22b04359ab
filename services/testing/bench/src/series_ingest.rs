//! How many points a second the embedded time series take, durably, and how many bytes a point takes in the end.
//!
//! Some thousand hosts that send what an agent once sent, each from another round on, every ten seconds of their time; put as the sink puts them.
//! It goes on for so long that the store flushes, merges and compacts meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fjall::Database;
use futures::future::try_join_all;
use loki_domain::{Instant, Sample, Value};
use loki_opentsdb::{Embedded, SeriesStore};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};
use loki_series::{Options, Store};

use crate::figure::Figure;
use crate::recorded::Recording;

const BAR: f64 = 300_000.0;
const DURING: Duration = Duration::from_secs(30);
/// A full window of a chunk, in seconds since 1970.
const BEGIN: i64 = 248_600 * 7_200;
const STEP: i64 = 10;
const JOURNAL: &str = "jnl";
/// The sink's batch, and how many of them are on their way at once.
const PUT: usize = 1_000;
const PUTS_AT_ONCE: usize = 6;
/// Some thousand hosts in all; their samples make whole batches.
const HOSTS_OF_PART: usize = 160;

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let recording = Recording::read()?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Store::open(folder.path(), Options::default())?);
    let sink_end = Embedded::new(store.clone(), Clock::system());
    let parts = (0..PUTS_AT_ONCE).map(|number| Part::new(&recording, number * HOSTS_OF_PART));
    let mut parts: Vec<Part<'_>> = parts.collect::<Result<_>>()?;
    // the first round makes the series and does not count
    try_join_all(parts.iter_mut().map(|part| part.put(&sink_end))).await?;
    let points = |parts: &[Part<'_>]| parts.iter().map(|part| part.round * part.samples.len()).sum::<usize>();
    let (watch, first) = (Stopwatch::start(), points(&parts));
    try_join_all(parts.iter_mut().map(async |part| {
        while watch.elapsed() < DURING {
            part.put(&sink_end).await?;
        }
        Ok::<_, anyhow::Error>(())
    }))
    .await?;
    let points = points(&parts);
    let rate = (points - first) as f64 / watch.elapsed().as_secs_f64();
    println!("{points} points of {} series in about {} rounds", first, points / first);

    store.merge()?;
    let size = store.size()?;
    anyhow::ensure!(size.points == points as u64, "the store has {} points", size.points);
    drop((sink_end, store));
    let at = folder.path().to_owned();
    let settled = task::spawn_blocking("compaction", move || settle(&at)).await??;
    let told = settled as f64 / points as f64;
    println!("{told:.3} bytes a point: {settled} bytes of tables after compaction, {} with journals right after the last put", size.bytes);
    Ok(vec![Figure::against_bar("series-ingest", rate, BAR), Figure::told("series-ingest size", format!("{told:.2} bytes/point"))])
}

/// Hosts whose samples come one batch after the other, as those of some partitions do. No part waits for another.
struct Part<'r> {
    recording: &'r Recording,
    /// Number of the first host.
    from: usize,
    /// Host after host, all that one says in a round; so they lie in the log's records.
    samples: Vec<Sample>,
    round: usize,
}

impl<'r> Part<'r> {
    fn new(recording: &'r Recording, from: usize) -> Result<Self> {
        let mut samples = Vec::new();
        for host in from..from + HOSTS_OF_PART {
            for series in recording.of_host(&format!("web{host:04}"))? {
                samples.push(Sample { series, at: Instant::new(BEGIN)?, value: Value::new(0.0)? });
            }
        }
        Ok(Self { recording, from, samples, round: 0 })
    }

    /// Puts a round.
    async fn put(&mut self, store: &Embedded) -> Result<()> {
        let columns = self.recording.series();
        let at = Instant::new(BEGIN + STEP * i64::try_from(self.round)?)?;
        for (index, sample) in self.samples.iter_mut().enumerate() {
            let (host, column) = (self.from + index / columns, index % columns);
            // no two hosts say the same at once
            sample.at = at;
            sample.value = Value::new(self.recording.value(column, self.round + 7 * host))?;
        }
        for some in self.samples.chunks(PUT) {
            put(store, some).await?;
        }
        self.round += 1;
        Ok(())
    }
}

async fn put(store: &Embedded, samples: &[Sample]) -> Result<()> {
    let refused = store.put(samples).await?;
    anyhow::ensure!(refused.is_empty(), "points were refused: {refused:?}");
    Ok(())
}

/// Has everything written into tables and compacted, as it comes to be with time; gives the bytes of the tables then. Journals, which are
/// bounded however many points there are, hold nothing then that is not in tables.
fn settle(folder: &Path) -> Result<u64> {
    {
        let database = Database::builder(folder).open()?;
        for name in database.list_keyspace_names() {
            let keyspace = database.keyspace(&name, Default::default)?;
            keyspace.rotate_memtable_and_wait()?;
            keyspace.major_compact()?;
        }
    }
    tables_in(folder)
}

fn tables_in(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => tables_in(&entry.path())?,
            false if entry.path().extension().is_some_and(|extension| extension == JOURNAL) => 0,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}
