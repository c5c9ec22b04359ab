//! What of a partition was read and is not done with: how old the oldest of it is.

use std::collections::VecDeque;

use loki_log::Batch;

/// Batches that are no older than this by the log's time are one.
const STEP_MS: i64 = 1_000;

/// By the log's time.
#[derive(Debug, Default)]
pub(super) struct Backlog(VecDeque<Mark>);

#[derive(Debug)]
struct Mark {
    oldest_ms: i64,
    /// The position after its last record.
    to: u64,
}

impl Backlog {
    pub(super) fn read(&mut self, batch: &Batch) {
        let Some(first) = batch.records.first() else { return };
        match self.0.back_mut().filter(|last| first.timestamp_ms < last.oldest_ms + STEP_MS) {
            Some(last) => last.to = batch.position,
            None => self.0.push_back(Mark { oldest_ms: first.timestamp_ms, to: batch.position }),
        }
    }

    /// Of when the oldest is that is not done with, when everything below `position` is.
    pub(super) fn oldest_ms(&mut self, position: Option<u64>) -> Option<i64> {
        while self.0.front().is_some_and(|mark| position.is_some_and(|position| mark.to <= position)) {
            self.0.pop_front();
        }
        self.0.front().map(|mark| mark.oldest_ms)
    }

    /// Reading begins again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use loki_log::{Partition, Record, Topic};

    use super::*;

    fn batch(first: u64, times_ms: &[i64]) -> Batch {
        let partition = Partition::only(&Topic::new("samples"));
        let record = |(offset, timestamp_ms)| Record {
            partition: partition.clone(),
            offset,
            timestamp_ms,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Batch {
            records: (first..).zip(times_ms.iter().copied()).map(record).collect(),
            position: first + times_ms.len() as u64,
            at_end: false,
        }
    }

    #[test]
    fn the_oldest_is_of_what_is_not_done_with() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.oldest_ms(Some(7)), None);
        backlog.read(&Batch { position: 7, at_end: true, ..Batch::default() });
        backlog.read(&batch(7, &[1_000, 1_500]));
        backlog.read(&batch(9, &[1_900]));
        backlog.read(&batch(10, &[5_000, 9_000]));
        assert_eq!(backlog.oldest_ms(None), Some(1_000), "nothing is done");
        assert_eq!(backlog.oldest_ms(Some(9)), Some(1_000), "what is as old counts together");
        assert_eq!(backlog.oldest_ms(Some(10)), Some(5_000));
        assert_eq!(backlog.oldest_ms(Some(11)), Some(5_000));
        assert_eq!(backlog.oldest_ms(Some(12)), None);
    }

    #[test]
    fn little_is_kept_of_many_batches() {
        let mut backlog = Backlog::default();
        for offset in 0..10_000 {
            backlog.read(&batch(offset, &[i64::try_from(offset).unwrap()]));
        }
        assert_eq!((backlog.0.len(), backlog.oldest_ms(Some(9_999))), (10, Some(9_000)));
    }
}
