//! Tells the API how far a task is, and what came of it.

use std::time::Duration;

use loki_domain::RunId;
use loki_executor::Outcome;
use loki_runtime::{Backoff, Shutdown, task};
use serde::Serialize;
use tokio::sync::watch;

use crate::commands::Commands;
use crate::metrics;

/// A step that is over sooner is not told: every command is kept for ever.
const TOLD_AFTER: Duration = Duration::from_secs(2);
/// Between two tries while the API is away.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
const KIND: &str = "run.report";

pub(super) struct Reporter {
    commands: Commands,
    server: String,
    run: RunId,
    attempt: u32,
}

#[derive(Serialize)]
struct Report<'r> {
    run: String,
    server: &'r str,
    attempt: u32,
    state: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'r str>,
}

impl Reporter {
    pub(super) fn new(commands: Commands, server: String, (run, attempt): (RunId, u32)) -> Self {
        Self { commands, server, run, attempt }
    }

    /// Tells each step that lasts. Never ends by itself.
    pub(super) async fn follow(&self, mut steps: watch::Receiver<Option<&'static str>>, shutdown: &Shutdown) {
        let mut told = None;
        loop {
            let step = *steps.borrow_and_update();
            let changed = if step == told { Some(steps.changed().await) } else { task::timeout(TOLD_AFTER, steps.changed()).await };
            match changed {
                Some(Ok(())) => continue,
                Some(Err(_)) => std::future::pending().await,
                None => told = step,
            }
            // one that cannot be told now is not worth to be told later
            let report = Report { step, ..self.report("running") };
            if shutdown.unless(self.commands.command(KIND, &report)).await.is_some_and(|sent| sent.is_err()) {
                metrics::failed("tasks");
            }
        }
    }

    /// Tells the end until the API has taken it, or this process ends.
    pub(super) async fn ended(&self, outcome: &Outcome, shutdown: &Shutdown) {
        let report = match outcome {
            Outcome::Succeeded => self.report("succeeded"),
            Outcome::Failed { step, message } => Report { step: Some(step.as_str()), message: Some(message), ..self.report("failed") },
        };
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        while let Some(sent) = shutdown.unless(self.commands.command(KIND, &report)).await {
            match sent {
                Ok(outcome) if outcome.is_accepted() => return,
                Ok(outcome) => {
                    // the run may have ended meanwhile, or was told this server anew
                    tracing::info!(run.id = %self.run, attempt = self.attempt, reason = outcome.reason(), "what became of a task is not taken");
                    return;
                }
                Err(failure) => {
                    metrics::failed("tasks");
                    let pause = backoff.step().max(failure.retry_after());
                    tracing::debug!(run.id = %self.run, %failure, "what became of a task cannot be told yet");
                    if shutdown.unless(task::sleep(pause)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    fn report<'r>(&'r self, state: &'r str) -> Report<'r> {
        Report { run: self.run.to_string(), server: &self.server, attempt: self.attempt, state, step: None, message: None }
    }
}
