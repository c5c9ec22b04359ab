//! Readers that wait for a store to get somewhere: one task asks it for all of them, and only while somebody waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_runtime::task;
use tokio::sync::watch;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often while it does not answer.
const INTERVAL_AWAY: Duration = Duration::from_millis(250);
/// How many may wait at once.
const WAITING_MAX: usize = 10_000;

/// A store that says how far it is.
pub trait Awaited: Send + Sync + 'static {
    type Progress: Clone + Send + Sync;
    type Error: Clone + Send + Sync;

    fn ask(&self) -> impl Future<Output = Result<Self::Progress, Self::Error>> + Send;

    /// The answer to one for whom there is no place.
    fn crowded() -> Self::Error;
}

/// What the store said.
pub type Said<A> = Result<<A as Awaited>::Progress, <A as Awaited>::Error>;

/// Those who wait for one store.
pub struct Waiting<A: Awaited> {
    store: Arc<A>,
    shared: Arc<Shared<A>>,
}

struct Shared<A: Awaited> {
    count: Mutex<Count>,
    /// What the store said last; `None` before it was asked.
    latest: watch::Sender<Option<Said<A>>>,
}

#[derive(Debug, Default)]
struct Count {
    waiting: usize,
    polling: bool,
}

impl<A: Awaited> std::fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl<A: Awaited> Waiting<A> {
    pub fn new(store: Arc<A>) -> Self {
        Self { store, shared: Arc::new(Shared { count: Mutex::default(), latest: watch::Sender::new(None) }) }
    }

    /// Returns once `check` is content with what the store says.
    ///
    /// # Errors
    /// After `limit` the last reason why not; at once when too many wait already.
    pub async fn until(&self, check: impl Fn(Said<A>) -> Result<(), A::Error>, limit: Duration) -> Result<(), A::Error> {
        let Err(mut why) = check(self.store.ask().await) else { return Ok(()) };
        // from here on only what is read later counts
        let mut latest = self.shared.latest.subscribe();
        let _place = self.enter()?;
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
    fn enter(&self) -> Result<Place<A>, A::Error> {
        let mut count = self.shared.count();
        if count.waiting >= WAITING_MAX {
            return Err(A::crowded());
        }
        count.waiting += 1;
        if !count.polling {
            count.polling = true;
            let (store, shared) = (self.store.clone(), self.shared.clone());
            drop(task::spawn("store's position", async move { poll(&*store, &shared).await }));
        }
        Ok(Place(self.shared.clone()))
    }
}

async fn poll<A: Awaited>(store: &A, shared: &Shared<A>) {
    loop {
        let said = store.ask().await;
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

impl<A: Awaited> Shared<A> {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
struct Place<A: Awaited>(Arc<Shared<A>>);

impl<A: Awaited> Drop for Place<A> {
    fn drop(&mut self) {
        self.0.count().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Growing(AtomicU64);

    impl Awaited for Growing {
        type Progress = u64;
        type Error = String;

        async fn ask(&self) -> Said<Self> {
            Ok(self.0.fetch_add(1, Ordering::SeqCst))
        }

        fn crowded() -> String {
            "crowded".to_owned()
        }
    }

    fn passed(wanted: u64) -> impl Fn(Said<Growing>) -> Result<(), String> {
        move |said| if said? >= wanted { Ok(()) } else { Err(format!("not {wanted} yet")) }
    }

    #[tokio::test]
    async fn one_task_asks_for_all_and_ends_with_the_last() {
        let waiting = Waiting::new(Arc::new(Growing::default()));
        let hour = Duration::from_secs(3_600);
        let all = three(&waiting, hour).await;
        assert_eq!(all, [Ok(()), Ok(()), Ok(())]);
        let asked = waiting.store.0.load(Ordering::SeqCst);
        assert!(asked < 3 * 5, "three who wait for the fifth answer have asked {asked} times");
        assert_eq!(waiting.until(passed(u64::MAX), Duration::ZERO).await, Err(format!("not {} yet", u64::MAX)));
        let ended = async {
            while waiting.shared.count().polling {
                task::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(task::timeout(Duration::from_secs(30), ended).await.is_some(), "it goes on asking for nobody");
    }

    async fn three(waiting: &Waiting<Growing>, limit: Duration) -> [Result<(), String>; 3] {
        let until = || waiting.until(passed(5), limit);
        let (one, two, three) = tokio::join!(until(), until(), until());
        [one, two, three]
    }

    #[tokio::test]
    async fn there_is_no_place_for_more_than_so_many() {
        let waiting = Waiting::new(Arc::new(Growing::default()));
        waiting.shared.count().waiting = WAITING_MAX;
        assert_eq!(waiting.until(passed(u64::MAX), Duration::from_secs(60)).await, Err("crowded".to_owned()));
    }
}
