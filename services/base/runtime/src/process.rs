//! A process among several in one, for tests that run the whole platform on one thread: it is killed, or held still, as a whole.
//!
//! What is spawned within it belongs to it, and its jitter comes from its seed: with paused time the same seed gives the same course. Blocking work
//! runs on the spot, because threads have a course of their own.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::{AbortHandle, JoinHandle};

tokio::task_local! {
    static PROCESS: Process;
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Process(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    seed: u64,
    is_killed: bool,
    is_held: bool,
    tasks: Vec<AbortHandle>,
    waiting: Vec<Waker>,
}

impl Process {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { seed, is_killed: false, is_held: false, tasks: Vec::new(), waiting: Vec::new() })))
    }

    /// The one that the caller belongs to, if any.
    pub fn current() -> Option<Self> {
        PROCESS.try_with(Self::clone).ok()
    }

    /// Starts a task of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = tokio::spawn(Belonging { process: Some(self.clone()), future: Box::pin(future) });
        let mut state = self.lock();
        if state.is_killed {
            task.abort();
        }
        state.tasks.retain(|task| !task.is_finished());
        state.tasks.push(task.abort_handle());
        task
    }

    /// As kill -9 does: nothing of it runs on, and nobody is told.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.is_killed = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
    }

    pub fn is_killed(&self) -> bool {
        self.lock().is_killed
    }

    /// As SIGSTOP does. Time goes on.
    pub fn hold(&self) {
        self.lock().is_held = true;
    }

    /// As SIGCONT does.
    pub fn go_on(&self) {
        let mut state = self.lock();
        state.is_held = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// The next of its random numbers.
    pub(crate) fn random(&self) -> u64 {
        let mut state = self.lock();
        state.seed = state.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // splitmix64
        let mut number = state.seed;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future of the caller's process, whoever polls it: for those that are not started by [`task::spawn`](crate::task::spawn).
pub fn belonging<F: Future>(future: F) -> Belonging<F> {
    Belonging { process: Process::current(), future: Box::pin(future) }
}

/// Runs while its process does.
#[derive(Debug)]
pub struct Belonging<F> {
    process: Option<Process>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Belonging<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(process) = self.process.clone() else { return self.future.as_mut().poll(context) };
        let mut state = process.lock();
        if state.is_held {
            state.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        PROCESS.sync_scope(process, || self.future.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::task;

    /// Counts in a task of a task.
    fn counting(process: &Process) -> Arc<AtomicU64> {
        let count = Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        process.spawn(async move {
            let inner = task::spawn("inner", async move {
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    task::sleep(Duration::from_secs(1)).await;
                }
            });
            let _ended: Result<(), _> = inner.await;
        });
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_killed_process_does_nothing_more() {
        let (one, other) = (Process::new(1), Process::new(2));
        let (of_one, of_other) = (counting(&one), counting(&other));
        task::sleep(Duration::from_millis(2_500)).await;
        one.kill();
        task::sleep(Duration::from_secs(3)).await;
        assert_eq!((of_one.load(Ordering::SeqCst), of_other.load(Ordering::SeqCst)), (3, 6));
        assert!(one.spawn(async {}).await.is_err(), "nothing is started in it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_process_goes_on_where_it_was() {
        let process = Process::new(1);
        let count = counting(&process);
        task::sleep(Duration::from_millis(2_500)).await;
        process.hold();
        task::sleep(Duration::from_secs(10)).await;
        assert_eq!(count.load(Ordering::SeqCst), 3);
        process.go_on();
        task::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(count.load(Ordering::SeqCst), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn blocking_work_runs_on_the_spot() {
        let process = Process::new(1);
        let thread = std::thread::current().id();
        let of_work = process.spawn(async { task::spawn_blocking("work", || std::thread::current().id()).await.unwrap() });
        assert_eq!(of_work.await.unwrap(), thread);
    }
}
