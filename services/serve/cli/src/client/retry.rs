//! Asking again, bounded: a store that is being built answers 503 for a moment, and a process that restarts refuses connections.

use std::time::Duration;

use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;

use super::Client;
use super::error::Error;
use super::request::Request;

/// How long to go on asking.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Nothing has ever answered at this address: most likely nothing will.
    pub first: Duration,
    /// It has answered before, or says itself that it is not ready.
    pub known: Duration,
    /// For one answer, beyond what the server was asked to wait.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), known: Duration::from_secs(15), answer: Duration::from_secs(20) }
    }
}

impl Patience {
    /// For long work, that a restart of the API or of a store should not end.
    #[must_use]
    pub fn for_long_work(self) -> Self {
        Self { known: self.known * 4, ..self }
    }
}

/// The server's own wish, but not longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

pub(super) async fn patiently<T, F>(client: &Client, request: &Request, once: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = Stopwatch::start();
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        let error = match once().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let again = error.is_passing() && (request.repeatable || error.is_unsent());
        let unknown = error.is_unsent() && !client.has_answered();
        let patience = if unknown { client.patience.first } else { client.patience.known };
        let pause = error.retry_after().map_or_else(|| backoff.step(), |wish| wish.min(RETRY_AFTER_MAX));
        if !again || started.elapsed() + pause > patience {
            return Err(error);
        }
        loki_runtime::task::sleep(pause).await;
    }
}
