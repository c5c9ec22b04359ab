//! Where the last ten minutes of a partition begin, in the time of the log: an idle log keeps what it said last.

use std::time::Duration;

use loki_log::{Bounds, Error, Log, Partition, Result};

/// How long one read waits. What is read exists already.
const WAIT: Duration = Duration::from_secs(5);
/// How many records one read takes.
const RECORDS: usize = 100;
/// How much further back the newest record is looked for when there is none: what lies at the end may be markers, or nothing.
const FURTHER: u64 = 16;

/// The offset from which on the records are no older than `window_ms` before the newest one.
pub(super) async fn window_from(log: &dyn Log, partition: &Partition, bounds: Bounds, window_ms: i64) -> Result<u64> {
    let Some(newest_ms) = newest_ms(log, partition, bounds).await? else { return Ok(bounds.end) };
    let from = log.offset_at(partition, newest_ms.saturating_sub(window_ms).max(0)).await?;
    Ok(from.map_or(bounds.end, |from| from.clamp(bounds.start, bounds.end)))
}

/// The log time of the last record.
async fn newest_ms(log: &dyn Log, partition: &Partition, bounds: Bounds) -> Result<Option<i64>> {
    if bounds.start >= bounds.end {
        return Ok(None);
    }
    let mut back = 1;
    loop {
        let from = bounds.end.saturating_sub(back).max(bounds.start);
        let mut reader = log.frugal_reader(partition, from).await?;
        let mut newest_ms = None;
        while reader.position() < bounds.end {
            let batch = reader.read(RECORDS, WAIT).await?;
            newest_ms = newest_ms.max(batch.records.iter().map(|record| record.timestamp_ms).max());
            if batch.at_end {
                break;
            }
            if batch.records.is_empty() {
                return Err(Error::Away(format!("{partition} does not tell its newest record")));
            }
        }
        if newest_ms.is_some() || from == bounds.start {
            return Ok(newest_ms);
        }
        back *= FURTHER;
    }
}
