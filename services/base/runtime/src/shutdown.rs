//! One shutdown path: a token that every service watches, set by SIGTERM, SIGINT or a failed service.

use tokio_util::sync::CancellationToken;

/// Cheap to clone. A child is stopped with its parent, not the other way round.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Asks everyone to stop.
    pub fn begin(&self) {
        self.0.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once shutdown has begun.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Runs `future` unless shutdown begins first.
    pub async fn unless<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.cancelled() => None,
            value = future => Some(value),
        }
    }

    /// Sets itself when the process receives SIGTERM or SIGINT.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let token = self.0.clone();
        crate::task::spawn("signals", async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "shutting down"),
                _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "shutting down"),
            }
            token.cancel();
        });
        Ok(())
    }
}
