//! Tells the API how far a task is, and what came of it.

use std::time::Duration;

use loki_domain::RunId;
use loki_executor::{Outcome, Step};
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

/// What is told of a task that is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) step: Step,
    /// It has failed.
    pub(super) why: Option<String>,
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

    /// Tells each step that lasts, and at once why one has failed: the host may be given up before it has gone back. Never ends by itself.
    pub(super) async fn follow(&self, mut heard: watch::Receiver<Option<Said>>, shutdown: &Shutdown) {
        let mut told = None;
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            let said = heard.borrow_and_update().clone();
            let has_failed = said.as_ref().is_some_and(|said| said.why.is_some());
            let changed = match said == told {
                true => Some(heard.changed().await),
                false if has_failed => None,
                false => task::timeout(TOLD_AFTER, heard.changed()).await,
            };
            match changed {
                Some(Ok(())) => continue,
                Some(Err(_)) => std::future::pending().await,
                None => {}
            }
            let (step, message) = said.as_ref().map_or((None, None), |said| (Some(said.step.as_str()), said.why.as_deref()));
            let report = Report { step, message, ..self.report("running") };
            let is_sent = shutdown.unless(self.commands.command(KIND, &report)).await.is_none_or(|sent| sent.is_ok());
            if !is_sent {
                metrics::failed("tasks");
                if has_failed {
                    task::sleep(backoff.step()).await;
                    continue;
                }
            }
            // a step that cannot be told now is not worth to be told later
            told = said;
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
