//! Waiting for a position: one task asks the store for all who wait, and only while someone does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_domain::Position;
use loki_runtime::task;
use tokio::sync::watch;

use super::progress::Progress;
use super::snapshot::Source;
use crate::port::{NotReady, ReadError};

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often while it does not answer.
const INTERVAL_AWAY: Duration = Duration::from_millis(250);
/// How many may wait at once.
const WAITING_MAX: usize = 10_000;

/// Those who wait for one projection.
pub(super) struct Waiting {
    source: Arc<Source>,
    shared: Arc<Shared>,
}

struct Shared {
    count: Mutex<Count>,
    /// What the store said last; `None` before it was asked.
    latest: watch::Sender<Option<Result<Progress, ReadError>>>,
}

#[derive(Default)]
struct Count {
    waiting: usize,
    polling: bool,
}

impl Waiting {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { source, shared: Arc::new(Shared { count: Mutex::default(), latest: watch::Sender::new(None) }) }
    }

    /// Returns once `at_least` has been passed, after `limit` with the reason why not.
    pub(super) async fn until(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.source.check_stream(at_least)?;
        let seen = self.source.furthest();
        let check = |progress: Result<Progress, ReadError>| progress?.ready(seen.as_ref(), Some(at_least)).map(drop);
        let Err(mut why) = check(self.source.progress().await) else { return Ok(()) };
        // From here on only what is read later counts.
        let mut latest = self.shared.latest.subscribe();
        let _place = self.enter()?;
        let wait = async {
            while latest.changed().await.is_ok() {
                let Some(progress) = latest.borrow_and_update().clone() else { continue };
                match check(progress) {
                    Ok(()) => return Ok(()),
                    Err(error) => why = error,
                }
            }
            Ok(())
        };
        match task::timeout(limit, wait).await {
            Some(passed) => passed,
            None => Err(why),
        }
    }

    /// Joins those who wait, and starts the task for the first one.
    fn enter(&self) -> Result<Place, ReadError> {
        let mut count = self.shared.count();
        if count.waiting >= WAITING_MAX {
            return Err(NotReady::Crowded.into());
        }
        count.waiting += 1;
        if !count.polling {
            count.polling = true;
            let (source, shared) = (Arc::clone(&self.source), Arc::clone(&self.shared));
            drop(task::spawn("mysql-position", async move { poll(&source, &shared).await }));
        }
        Ok(Place(Arc::clone(&self.shared)))
    }
}

async fn poll(source: &Source, shared: &Shared) {
    loop {
        let progress = source.progress().await;
        let interval = if progress.is_ok() { INTERVAL } else { INTERVAL_AWAY };
        shared.latest.send_replace(Some(progress));
        task::sleep(interval).await;
        let mut count = shared.count();
        if count.waiting == 0 {
            count.polling = false;
            return;
        }
    }
}

impl Shared {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count().waiting -= 1;
    }
}
