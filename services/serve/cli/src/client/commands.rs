//! Commands: sent, and their outcomes waited for.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Answer, Client, Error};
use crate::outcome::Outcome;

/// What one request waits at most: well below what the API allows by default, and asked again as long as the caller wants to wait.
const STEP: Duration = Duration::from_secs(5);

/// An API whose `wait_max` is short answers earlier than it was asked to: not more often than this is it asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A command to be sent. Its id makes sending it again harmless.
#[derive(Debug, Clone, Serialize)]
pub struct NewCommand<'c> {
    pub id: &'c str,
    #[serde(rename = "type")]
    pub kind: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<&'c str>,
    pub data: &'c RawValue,
}

/// An id for a command that was given none.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

impl Client {
    /// Sends a command. With `wait` the answer is its outcome when that comes in time, otherwise it is pending.
    ///
    /// # Errors
    /// The API refuses it, or cannot be asked.
    pub async fn emit(&self, command: &NewCommand<'_>, wait: Option<Duration>) -> Result<Outcome, Error> {
        let started = Stopwatch::start();
        let body = serde_json::to_vec(command).map_err(|error| Error::Request(format!("the command cannot be written: {error}")))?;
        let step = wait.map(|wait| wait.min(STEP));
        let request = self.request(reqwest::Method::POST, &["v1", "commands"]).json(body).repeatable();
        let request = request.with("wait", step.map(parameter)).waiting(step.unwrap_or_default());
        let first = read(&self.send(&request).await?)?;
        match wait {
            Some(wait) if first.is_pending() => self.follow(first, wait.saturating_sub(started.elapsed())).await,
            _ => Ok(first),
        }
    }

    /// The outcome of the command at a position (`c17`); pending when it does not come in time.
    ///
    /// # Errors
    /// There is no such command, or the API cannot be asked.
    pub async fn outcome(&self, position: &str, wait: Duration) -> Result<Outcome, Error> {
        let step = wait.min(STEP);
        let request = self.get(&["v1", "commands", position]).with("wait", Some(parameter(step))).waiting(step);
        let started = Stopwatch::start();
        let outcome = read(&self.send(&request).await?)?;
        if outcome.is_pending() { self.follow(outcome, wait.saturating_sub(started.elapsed())).await } else { Ok(outcome) }
    }

    /// What becomes of a command that is in the log; as it is when it is decided already.
    ///
    /// # Errors
    /// As [`Client::outcome`].
    pub(crate) async fn follow(&self, mut pending: Outcome, wait: Duration) -> Result<Outcome, Error> {
        let started = Stopwatch::start();
        loop {
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() || !pending.is_pending() {
                return Ok(pending);
            }
            let step = left.min(STEP);
            let request = self.get(&["v1", "commands", &pending.position]).with("wait", Some(parameter(step))).waiting(step);
            let asked = Stopwatch::start();
            let next = read(&self.send(&request).await?)?;
            if next.is_pending() {
                loki_runtime::task::sleep(PAUSE.min(step).saturating_sub(asked.elapsed())).await;
            }
            // asked by position the API does not know the id before the outcome is there
            pending = if next.is_pending() { pending } else { next };
        }
    }
}

fn parameter(wait: Duration) -> String {
    format!("{}ms", wait.as_millis())
}

fn read(answer: &Answer) -> Result<Outcome, Error> {
    Ok(answer.json::<Outcome>()?.with_json(answer.raw()?))
}
