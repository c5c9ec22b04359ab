//! Samples that wait to be sent. There is a bound: then the oldest make room, since alerts and people look at what is now.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_domain::Sample;
use tokio::sync::Notify;

use crate::metrics;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: Arc<Mutex<Queue>>,
    changed: Arc<Notify>,
    max: usize,
}

#[derive(Default)]
struct Queue {
    samples: VecDeque<Sample>,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(max: usize) -> Self {
        Self { queue: Arc::default(), changed: Arc::default(), max }
    }

    pub(crate) fn push(&self, samples: impl IntoIterator<Item = Sample>) {
        let mut queue = self.lock();
        queue.samples.extend(samples);
        self.keep_to_the_bound(&mut queue);
        drop(queue);
        self.changed.notify_one();
    }

    /// What was taken and not sent is the oldest again.
    pub(super) fn put_back(&self, samples: Vec<Sample>) {
        let mut queue = self.lock();
        for sample in samples.into_iter().rev() {
            queue.samples.push_front(sample);
        }
        self.keep_to_the_bound(&mut queue);
    }

    /// The oldest, `max` at most; none when there are none.
    pub(super) fn take(&self, max: usize) -> Vec<Sample> {
        let mut queue = self.lock();
        let count = queue.samples.len().min(max);
        let taken = queue.samples.drain(..count).collect();
        metrics::waiting(queue.samples.len());
        taken
    }

    /// Returns once there is a sample, or will be none any more: then `false`.
    pub(super) async fn filled(&self) -> bool {
        loop {
            let (is_empty, is_closed) = {
                let queue = self.lock();
                (queue.samples.is_empty(), queue.closed)
            };
            if !is_empty || is_closed {
                return !is_empty;
            }
            self.changed.notified().await;
        }
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn keep_to_the_bound(&self, queue: &mut Queue) {
        let over = queue.samples.len().saturating_sub(self.max);
        if over > 0 {
            queue.samples.drain(..over);
            metrics::dropped(metrics::DROPPED_FULL, over);
        }
        metrics::waiting(queue.samples.len());
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::of_vantage;

    fn samples(seconds: std::ops::Range<i64>) -> Vec<Sample> {
        seconds.map(|second| of_vantage("bj", 1_700_000_000_000 + second * 1_000, true).unwrap()).collect()
    }

    #[test]
    fn the_oldest_make_room() {
        let outbox = Outbox::new(10);
        outbox.push(samples(0..4));
        outbox.push(samples(4..12));
        assert_eq!(outbox.take(3), samples(2..5));
        // what comes back is older than what has come meanwhile, and goes first
        outbox.push(samples(12..14));
        outbox.put_back(samples(2..5));
        assert_eq!(outbox.take(100), samples(4..14));
        assert_eq!(outbox.take(100), Vec::new());
    }

    #[tokio::test]
    async fn it_is_closed_when_it_is_empty_too() {
        let outbox = Outbox::new(10);
        outbox.push(samples(0..1));
        outbox.close();
        assert!(outbox.filled().await);
        outbox.take(1);
        assert!(!outbox.filled().await);
    }
}
