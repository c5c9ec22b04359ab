//! Chunks of tasks' logs as rows, and which of them stay.
//!
//! A row for each record, so that the table is the topic's end. What stays is a matter of the log alone, whatever batches it comes in: rows are
//! dropped from the oldest on, by the log's own time and by how much of one server came after them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use loki_domain::ServerId;
use loki_runner::projection::PlacedChunk;

use super::{Bounds, TableChanges};
use crate::sql::Value;
use crate::tables::TASK_LOG;

/// 30 days, as the topic keeps them.
const KEPT_MS: i64 = 30 * 86_400_000;
/// Of one server.
const KEPT_BYTES: i64 = 64 << 20;
/// A row counts at least so much, so that many small ones are no more than there is room for.
const ROW_BYTES_MIN: i64 = 1 << 10;

/// What these chunks add, and what goes for them.
pub(crate) fn task_log_changes(chunks: &[PlacedChunk]) -> Vec<TableChanges> {
    let mut changes = TableChanges::new(&TASK_LOG);
    changes.upserts = chunks.iter().map(chunk_row).collect();
    let newest_ms = chunks.iter().map(|placed| placed.at_ms).max();
    changes.bounds = newest_ms.map(|newest_ms| Bounds {
        from_ms: newest_ms.saturating_sub(KEPT_MS),
        servers: chunks.iter().map(|placed| placed.chunk.server).collect::<BTreeSet<_>>().iter().map(ToString::to_string).collect(),
        size_max: KEPT_BYTES,
    });
    vec![changes]
}

/// A chunk's row, in the order of its table's columns.
pub(crate) fn chunk_row(placed: &PlacedChunk) -> Vec<Value> {
    let chunk = &placed.chunk;
    let json = loki_wire::task_log::write_value(chunk);
    vec![
        Value::offset(placed.offset),
        Value::text(chunk.run.to_string()),
        Value::text(chunk.server.to_string()),
        Value::Int(i64::from(chunk.attempt)),
        Value::offset(chunk.offset),
        Value::Int(size(placed)),
        Value::Int(placed.at_ms),
        Value::text(String::from_utf8_lossy(&json)),
    ]
}

fn size(placed: &PlacedChunk) -> i64 {
    i64::from(placed.chunk.bytes).max(ROW_BYTES_MIN)
}

/// Which chunks of a log the store still has, found by reading it once.
#[derive(Debug, Default)]
pub struct Retained {
    newest_ms: i64,
    /// Of each server: the last ones that fit, with their sizes, and how much they are.
    servers: BTreeMap<ServerId, (VecDeque<(u64, i64)>, i64)>,
}

impl Retained {
    /// The next chunk of the log.
    pub fn read(&mut self, placed: &PlacedChunk) {
        self.newest_ms = self.newest_ms.max(placed.at_ms);
        let (kept, sum) = self.servers.entry(placed.chunk.server).or_default();
        kept.push_back((placed.offset, size(placed)));
        *sum += size(placed);
        while *sum > KEPT_BYTES {
            *sum -= kept.pop_front().map_or(0, |(_, size)| size);
        }
    }

    /// Whether it is there, once all were read.
    pub fn is_kept(&self, placed: &PlacedChunk) -> bool {
        let first = self.servers.get(&placed.chunk.server).and_then(|(kept, _)| kept.front());
        placed.at_ms >= self.newest_ms.saturating_sub(KEPT_MS) && first.is_some_and(|(offset, _)| placed.offset >= *offset)
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::RunId;
    use loki_wire::task_log::{BYTES_MAX, Chunk};

    use super::*;

    fn chunk(offset: u64, server: ServerId, at_ms: i64, bytes: u32) -> PlacedChunk {
        let chunk =
            Chunk { run: RunId::MIN, server, attempt: 1, step: "start".to_owned(), offset, bytes, text: "x".to_owned(), is_last: false };
        PlacedChunk { offset, at_ms, chunk }
    }

    #[test]
    fn the_newest_that_fit_are_kept() {
        let full = u64::try_from(KEPT_BYTES / i64::from(BYTES_MAX)).unwrap();
        let (noisy, quiet) = (ServerId::MIN, ServerId::MAX);
        let mut all = vec![chunk(0, quiet, 1, 5)];
        all.extend((1..=full + 3).map(|offset| chunk(offset, noisy, KEPT_MS, BYTES_MAX)));
        let kept = |all: &[PlacedChunk]| {
            let mut retained = Retained::default();
            all.iter().for_each(|placed| retained.read(placed));
            all.iter().filter(|placed| retained.is_kept(placed)).map(|placed| placed.offset).collect::<Vec<_>>()
        };
        assert_eq!(kept(&all), std::iter::once(0).chain(4..=full + 3).collect::<Vec<_>>());
        // a small one counts as a row
        all.push(chunk(full + 4, noisy, KEPT_MS, 1));
        assert_eq!(kept(&all)[..2], [0, 5]);
        // too old
        all.push(chunk(full + 5, quiet, KEPT_MS + 2, 1));
        assert_eq!(kept(&all)[0], 5);
    }

    #[test]
    fn rows_have_their_columns_and_bounds_all_servers() {
        let changes = task_log_changes(&[chunk(7, ServerId::MAX, 9, 5), chunk(8, ServerId::MIN, KEPT_MS + 3, 5)]).remove(0);
        assert!(changes.upserts.iter().all(|row| row.len() == TASK_LOG.columns.len()));
        let bounds = changes.bounds.unwrap();
        assert_eq!((bounds.from_ms, bounds.servers), (3, vec![ServerId::MIN.to_string(), ServerId::MAX.to_string()]));
        assert_eq!(task_log_changes(&[])[0].bounds, None);
    }
}
