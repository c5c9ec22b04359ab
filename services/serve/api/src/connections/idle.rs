//! Which connections there are, and which of them ask nothing: when there is no place for another, the one that has been idle for longest goes.
//!
//! Nothing is lost with it: a client whose kept connection was closed between two requests makes a new one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_runtime::clock::Stopwatch;
use tokio::sync::Notify;

/// Not idle: a request is in hand, or a stream is being sent.
const AT_WORK: u64 = u64::MAX;

/// All connections that have a place. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    started: Stopwatch,
    next: AtomicU64,
    held: Mutex<HashMap<u64, Connection>>,
}

/// One connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    state: Arc<State>,
    started: Stopwatch,
}

struct State {
    /// Since when it is idle, in microseconds.
    since: AtomicU64,
    leave: Notify,
}

/// A connection in the list, until it is dropped.
pub(super) struct Held {
    pub(super) connection: Connection,
    number: u64,
    all: Connections,
}

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(Shared { started: Stopwatch::start(), next: AtomicU64::new(0), held: Mutex::default() }))
    }
}

impl Connections {
    /// A new one, idle until its first request.
    pub(super) fn hold(&self) -> Held {
        let state = Arc::new(State { since: AtomicU64::new(AT_WORK), leave: Notify::new() });
        let connection = Connection { state, started: self.0.started };
        connection.rests();
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.held().insert(number, connection.clone());
        Held { connection, number, all: self.clone() }
    }

    /// Asks the connection to leave that has been idle for longest; it is not asked twice. False when all are at work.
    pub(super) fn dismiss_one(&self) -> bool {
        let mut held = self.held();
        let idle = held.iter().map(|(number, connection)| (connection.since(), *number)).filter(|(since, _)| *since != AT_WORK).min();
        let Some(dismissed) = idle.and_then(|(_, number)| held.remove(&number)) else { return false };
        dismissed.state.leave.notify_one();
        true
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(super) fn works(&self) {
        self.state.since.store(AT_WORK, Ordering::Relaxed);
    }

    pub(super) fn rests(&self) {
        self.state.since.store(self.started.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Returns when it is to leave.
    pub(super) async fn dismissed(&self) {
        self.state.leave.notified().await;
    }

    fn since(&self) -> u64 {
        self.state.since.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.held().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_one_goes_and_none_that_is_at_work() {
        let all = Connections::default();
        let (first, second, third) = (all.hold(), all.hold(), all.hold());
        for (held, since) in [(&first, 20), (&second, AT_WORK), (&third, 10)] {
            held.connection.state.since.store(since, Ordering::Relaxed);
        }
        let numbers = || all.held().keys().copied().collect::<std::collections::BTreeSet<_>>();
        assert!(all.dismiss_one());
        assert_eq!(numbers(), [0, 1].into());
        assert!(all.dismiss_one());
        assert_eq!(numbers(), [1].into());
        assert!(!all.dismiss_one());
        drop((first, second, third));
        assert_eq!(numbers(), [].into());
    }
}
