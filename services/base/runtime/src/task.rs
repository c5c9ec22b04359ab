//! Tasks, sleeps and timeouts.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::process::Process;

/// Starts a named task.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tracing::trace!(task = name, "spawn");
    match Process::current() {
        Some(process) => process.spawn(future),
        None => tokio::spawn(future),
    }
}

/// Runs blocking or long computing work off the asynchronous threads.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn_blocking<T: Send + 'static>(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tracing::trace!(task = name, "spawn blocking");
    match Process::current() {
        Some(process) => process.spawn(async { work() }),
        None => tokio::task::spawn_blocking(work),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// `None` when `limit` has passed first.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
