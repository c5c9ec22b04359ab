//! Waiting for a position: one task asks the store for all who wait, and only while someone does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_runtime::task;
use tokio::sync::watch;

use super::mark::Mark;
use super::port::NotReady;
use super::source::Source;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often while it does not answer.
const INTERVAL_AWAY: Duration = Duration::from_millis(250);
/// How many may wait at once.
const WAITING_MAX: usize = 10_000;

/// What the store said.
pub(super) type Said = Result<Mark, NotReady>;

#[derive(Debug)]
pub(super) struct Waiting(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    count: Mutex<Count>,
    /// What the store said last; `None` before it was asked.
    latest: watch::Sender<Option<Said>>,
}

#[derive(Debug, Default)]
struct Count {
    waiting: usize,
    polling: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(Shared { count: Mutex::default(), latest: watch::Sender::new(None) }))
    }
}

impl Waiting {
    /// Returns once `check` is content with what the store says, after `limit` with the reason why not.
    pub(super) async fn until(
        &self,
        source: &Source,
        check: impl Fn(Said) -> Result<(), NotReady>,
        limit: Duration,
    ) -> Result<(), NotReady> {
        let Err(mut why) = check(source.ready().await) else { return Ok(()) };
        // from here on only what is read later counts
        let mut latest = self.0.latest.subscribe();
        let _place = self.enter(source)?;
        let wait = async {
            while latest.changed().await.is_ok() {
                let Some(said) = latest.borrow_and_update().clone() else { continue };
                match check(said) {
                    Ok(()) => return,
                    Err(error) => why = error,
                }
            }
        };
        match task::timeout(limit, wait).await {
            Some(()) => Ok(()),
            None => Err(why),
        }
    }

    /// Joins those who wait, and starts the task for the first one.
    fn enter(&self, source: &Source) -> Result<Place, NotReady> {
        let mut count = self.0.count();
        if count.waiting >= WAITING_MAX {
            return Err(NotReady(format!("{WAITING_MAX} questions wait already")));
        }
        count.waiting += 1;
        if !count.polling {
            count.polling = true;
            let (source, shared) = (source.clone(), self.0.clone());
            drop(task::spawn("redis position", async move { poll(&source, &shared).await }));
        }
        Ok(Place(self.0.clone()))
    }
}

async fn poll(source: &Source, shared: &Shared) {
    loop {
        let said = source.ready().await;
        let interval = if said.is_ok() { INTERVAL } else { INTERVAL_AWAY };
        shared.latest.send_replace(Some(said));
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
