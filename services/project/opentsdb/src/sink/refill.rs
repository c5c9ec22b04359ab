//! Where a partition is gone on with, and what is known of its series by then.

use std::time::Duration;

use loki_log::{Partition, Result};
use loki_runner::{Gone, Hold};
use loki_runtime::Backoff;
use loki_wire::sample::{READER_BYTES_MAX, Reader};

use super::Common;
use super::judge::{Judge, Rules};
use crate::metrics;

/// Records of one read, and how long one waits.
const READ_RECORDS: usize = 2_000;
const READ_WAIT: Duration = Duration::from_secs(1);
/// How far the clocks of two brokers may lie apart: the log's time may go back by that much when a partition's leader changes.
const BROKERS_APART_MS: i64 = 60_000;

/// What a partition's task begins with.
pub(super) struct Entered {
    pub(super) beginning: u64,
    /// Knows the names that were read already.
    pub(super) points: Reader,
    pub(super) judge: Judge,
}

/// Where to begin, and what is known by then. A log that is away is waited for.
pub(super) async fn enter(common: &Common, hold: &Hold) -> std::result::Result<Entered, Gone> {
    let partition = hold.partition();
    let mut backoff = Backoff::for_backend();
    loop {
        let mut points = Reader::new(READER_BYTES_MAX);
        let mut judge = Judge::new(Rules::new(partition.number, &common.config), common.allowance.clone());
        let entering = async {
            let from = beginning(common, partition, hold.committed()).await?;
            refill(common, partition, from, &mut points, &mut judge).await?;
            Ok::<_, loki_log::Error>(from)
        };
        match hold.end().unless(entering).await.ok_or(Gone)? {
            Ok(beginning) => {
                hold.is_well();
                return Ok(Entered { beginning, points, judge });
            }
            Err(error) => {
                hold.ails(format!("the log: {error}"));
                hold.end().unless(backoff.wait()).await.ok_or(Gone)?;
            }
        }
    }
}

/// The offset to begin at: what was committed, within what the log still has.
async fn beginning(common: &Common, partition: &Partition, committed: Option<u64>) -> Result<u64> {
    let bounds = common.log.bounds(partition).await?;
    let Some(committed) = committed else { return Ok(bounds.start) };
    if committed < bounds.start {
        let lost = bounds.start - committed;
        tracing::warn!(partition = %partition, committed, start = bounds.start, lost, "retention has passed the sink: these offsets were never stored");
        metrics::lost(lost);
        return Ok(bounds.start);
    }
    if committed > bounds.end {
        // what is there already is found by looking it up
        tracing::warn!(partition = %partition, committed, end = bounds.end, "the log ends before what was committed: it was made anew, and is read from its start");
        return Ok(bounds.start);
    }
    Ok(committed)
}

/// Reads what lies before the beginning, as far back as `refill` says by the log's own time, and writes nothing.
async fn refill(common: &Common, partition: &Partition, beginning: u64, points: &mut Reader, judge: &mut Judge) -> Result<()> {
    let refill_ms = i64::try_from(common.config.refill.as_millis()).unwrap_or(i64::MAX);
    let since_ms = log_ms_at(common, partition, beginning).await?.saturating_sub(refill_ms);
    let Some(from) = common.log.offset_at(partition, since_ms).await?.filter(|from| *from < beginning) else { return Ok(()) };
    let mut reader = common.log.frugal_reader(partition, from).await?;
    let mut records = 0;
    while reader.position() < beginning {
        let batch = reader.read(READ_RECORDS, READ_WAIT).await?;
        for record in batch.records.iter().filter(|record| record.offset < beginning) {
            records += 1;
            for sample in points.read(record.value.as_ref(), &record.headers).unwrap_or_default().into_iter().flatten() {
                judge.remember(&sample, record.timestamp_ms, since_ms + BROKERS_APART_MS);
            }
        }
        if batch.at_end {
            break;
        }
    }
    tracing::debug!(partition = %partition, from, beginning, records, "read again what is known already");
    Ok(())
}

/// The log's time when it came to this offset.
async fn log_ms_at(common: &Common, partition: &Partition, offset: u64) -> Result<i64> {
    if offset < common.log.bounds(partition).await?.end {
        let mut reader = common.log.frugal_reader(partition, offset).await?;
        if let Some(record) = reader.read(1, READ_WAIT).await?.records.first() {
            return Ok(record.timestamp_ms);
        }
    }
    Ok(common.clock.now_ms())
}
