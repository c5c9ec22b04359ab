//! Puts everything again that the samples' log still holds: `loki rebuild opentsdb`. Nothing is deleted, and nothing is written to the log.
//!
//! The judge is the sink's: of several values of one instant the first one wins, and what the store has already stays. So it may be stopped and
//! begun again, and run beside the sink; only where both meet the same instant of a series that neither knows, within the same moment and with two
//! different values, could both be stored. Whoever has emptied the store stops the sink until this is done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use loki_domain::{Instant, Sample, Series};
use loki_log::{Class, Log, Partition, Topic};
use loki_runtime::{Backoff, Shutdown};

use crate::config::SinkConfig;
use crate::error::{Error, StoreError};
use crate::port::{Found, Newest, SeriesStore, Why};
use crate::sink::{Allowance, Replayed as Settled, Replayer};

/// Records of one read, and how long one waits.
const READ_RECORDS: usize = 1_000;
const READ_WAIT: Duration = Duration::from_secs(1);
/// Points that are looked up together. OpenTSDB reads an hour of a series whatever is asked of it: few large questions cost it a fraction of many
/// small ones. Some 100 bytes each.
const LOOKED_UP: usize = 100_000;

/// How far a replay is, and in the end what it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replay {
    /// The log's time of the oldest record: what is older than that was not put again.
    pub since_ms: Option<i64>,
    pub records: u64,
    /// Offsets between where it is and where it ends.
    pub left: u64,
    /// Points that were put.
    pub put: u64,
    /// Points that were there already.
    pub there: u64,
    /// Points that are not to be stored: unreadable, conflicting, too old, ahead of the log, refused by the store.
    pub dead: u64,
    /// Points that belong to another partition, where their copies are.
    pub misplaced: u64,
}

/// Reads all partitions from their start to where they end now. `told` hears of every batch.
pub async fn replay(
    store: Arc<dyn SeriesStore>,
    log: Arc<dyn Log>,
    config: &SinkConfig,
    mut told: impl FnMut(Replay) + Send,
    shutdown: &Shutdown,
) -> Result<Replay, Error> {
    let topic = Topic::new(&config.samples_topic);
    let mut total = Replay::default();
    let mut ends = Vec::new();
    for number in 0..config.partitions {
        let partition = Partition::new(topic.clone(), number);
        let bounds = patiently(|| log.bounds(&partition), shutdown).await?;
        total.left += bounds.end - bounds.start;
        ends.push((partition, bounds));
    }
    for (partition, bounds) in ends {
        let allowance = Allowance::new(config.rings_bytes_max);
        let mut replayer = Replayer::new(partition.number, config, allowance);
        let mut reader = patiently(|| log.frugal_reader(&partition, bounds.start), shutdown).await?;
        let mut position = bounds.start;
        while position < bounds.end {
            go_on(shutdown)?;
            let batch = match reader.read(READ_RECORDS, READ_WAIT).await {
                Ok(batch) => batch,
                Err(error) if error.class() == Class::Retry => {
                    Backoff::for_backend().wait().await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for record in batch.records.iter().filter(|record| record.offset < bounds.end) {
                total.since_ms = Some(total.since_ms.map_or(record.timestamp_ms, |since_ms| since_ms.min(record.timestamp_ms)));
                total.records += 1;
                replayer.take(record, &mut total);
            }
            if replayer.open() >= LOOKED_UP || replayer.is_held_up() {
                settle(&*store, &mut replayer, config, &mut total, shutdown).await?;
            }
            total.left = total.left.saturating_sub(batch.position.min(bounds.end).saturating_sub(position));
            position = batch.position;
            told(total);
            if batch.at_end && batch.records.is_empty() {
                break;
            }
        }
        settle(&*store, &mut replayer, config, &mut total, shutdown).await?;
        told(total);
    }
    Ok(total)
}

/// Looks up and puts until nothing of what was read is open any more.
async fn settle(
    store: &dyn SeriesStore,
    replayer: &mut Replayer,
    config: &SinkConfig,
    total: &mut Replay,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    loop {
        for some in replayer.looks().chunks(LOOKED_UP) {
            let points: Vec<(Series, Instant)> = some.iter().map(|(sample, _)| (sample.series.clone(), sample.at)).collect();
            let asked: HashSet<&Series> = some.iter().filter(|(_, newest)| *newest).map(|(sample, _)| &sample.series).collect();
            let series: Vec<Series> = asked.into_iter().cloned().collect();
            let newest: Vec<Newest> = patiently(|| store.newest(&series), shutdown).await?;
            let newest: HashMap<&Series, Newest> = series.iter().zip(newest).collect();
            let found: Vec<Found> = patiently(|| store.find(&points), shutdown).await?;
            for ((sample, asked), found) in some.iter().zip(found) {
                let newest = newest.get(&sample.series).copied().filter(|_| *asked);
                replayer.found(sample, found, newest, total);
            }
        }
        let puts = replayer.puts();
        if puts.is_empty() && !replayer.has_more(total) {
            return Ok(());
        }
        for some in puts.chunks(config.batch_points) {
            put(store, replayer, some.to_vec(), total, shutdown).await?;
        }
    }
}

async fn put(
    store: &dyn SeriesStore,
    replayer: &mut Replayer,
    mut samples: Vec<Sample>,
    total: &mut Replay,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let mut backoff = Backoff::for_backend();
    while !samples.is_empty() {
        let refused = patiently(|| store.put(&samples), shutdown).await?;
        let mut whys: HashMap<usize, Why> = refused.into_iter().map(|refused| (refused.index, refused.why)).collect();
        let mut again = Vec::new();
        for (index, sample) in samples.into_iter().enumerate() {
            match whys.remove(&index) {
                None => replayer.settled(&sample, Settled::Stored, total),
                Some(Why::Invalid(_)) => replayer.settled(&sample, Settled::Refused, total),
                Some(Why::Throttled | Why::TimedOut | Why::Storage(_)) => again.push(sample),
            }
        }
        samples = again;
        if !samples.is_empty() {
            go_on(shutdown)?;
            shutdown.unless(backoff.wait()).await;
        }
    }
    Ok(())
}

fn go_on(shutdown: &Shutdown) -> Result<(), Error> {
    match shutdown.has_begun() {
        true => Err(Error::Invalid("stopped before the end: run it again, what is there already stays".to_owned())),
        false => Ok(()),
    }
}

/// Whether calling again may help.
trait MayPass {
    fn may_pass(&self) -> bool;
}

impl MayPass for StoreError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl MayPass for loki_log::Error {
    fn may_pass(&self) -> bool {
        self.class() == Class::Retry
    }
}

/// Calls again until it is answered, or shutdown begins.
async fn patiently<T, E, F>(mut call: impl FnMut() -> F, shutdown: &Shutdown) -> Result<T, Error>
where
    E: MayPass + Into<Error> + std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::for_backend();
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.may_pass() && !shutdown.has_begun() => {
                tracing::warn!(error = %error, "the replay waits");
                shutdown.unless(backoff.wait()).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
