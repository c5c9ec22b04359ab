//! What the API says of a run.

use std::collections::BTreeMap;

use loki_domain::RunState;
use loki_wire::fact::v1::deploy::{Job, Package, Run, Task};
use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::exit::Exit;
use crate::output::text::count;

/// `GET /v1/runs/{run}`.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    pub(super) run: Run,
    pub(super) path: Option<String>,
    pub(super) package: Option<Package>,
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, u64>,
}

/// An item of `GET /v1/runs`.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) run: Run,
    pub(super) path: Option<String>,
}

/// An item of `GET /v1/runs/{run}/tasks`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) task: Task,
    pub(super) name: Option<String>,
}

impl Told {
    /// The server's name, or its id where it has none any more.
    pub(super) fn server(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.task.server)
    }

    pub(super) fn line(&self) -> String {
        let Task { state, step, message, direction, attempt, .. } = &self.task;
        let mut line = format!("{}  {state}", self.server());
        if let Some(step) = step {
            line += &format!(" ({step})");
        }
        if direction == "back" {
            line += ", on the way back";
        }
        if *attempt > 1 {
            line += &format!(", attempt {attempt}");
        }
        if let Some(message) = message {
            line += &format!(": {message}");
        }
        line
    }
}

pub(super) async fn read(client: &Client, run: &str, after: Option<&str>) -> Result<Detail, Error> {
    client.send(&client.get(&["v1", "runs", run]).with("after", after)).await?.json()
}

/// The servers of a run that were told, or only those in these states.
pub(super) async fn tasks(client: &Client, run: &str, states: Option<&str>) -> Result<Vec<Told>, Error> {
    Ok(client.list(&client.get(&["v1", "runs", run, "tasks"]).with("state", states), usize::MAX).await?.items)
}

/// What a run does, in a few words.
pub(super) fn what(run: &Run, package: Option<&Package>) -> String {
    match (&run.job, package) {
        (Job::Deploy { name, .. }, Some(package)) => format!("{name} {}", package.version),
        (Job::Deploy { name, .. }, None) => name.clone(),
        (Job::Script { .. }, _) => "script".to_owned(),
    }
}

pub(super) fn is_ended(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "rolled_back" | "cancelled")
}

impl Detail {
    /// Whoever waits for the run has waited enough: it has ended, or it waits for somebody. `wanted`: what was asked of it, instead of success.
    pub(super) fn exit(&self, wanted: Option<RunState>) -> Option<Exit> {
        let state = self.run.state.as_str();
        let is_good = state == "succeeded" || wanted.is_some_and(|wanted| wanted.as_str() == state);
        match is_good {
            true => Some(Exit::Ok),
            false => (is_ended(state) || matches!(state, "paused" | "awaiting_approval")).then_some(Exit::Failed),
        }
    }

    fn of(&self, state: &str) -> u64 {
        self.tasks.get(state).copied().unwrap_or(0)
    }

    /// How many servers have failed, and how many are unknown.
    pub(super) fn bad(&self) -> (u64, u64) {
        (self.of("failed"), self.of("unknown"))
    }

    /// How far it is.
    pub(super) fn line(&self) -> String {
        let run = &self.run;
        let mut line = format!("run {}  {}", run.id, run.state);
        if !is_ended(&run.state) && run.state != "awaiting_approval" {
            line += &format!("  batch {} of {}", run.batch + 1, run.batches);
        }
        line += &format!("  {} of {} succeeded", self.of("succeeded"), count(run.servers as usize, "server"));
        for (state, said) in [("running", "at work"), ("pending", "told"), ("failed", "failed"), ("unknown", "unknown")] {
            if self.of(state) > 0 {
                line += &format!(", {} {said}", self.of(state));
            }
        }
        if let Some(why) = &run.why {
            line += &format!(": {why}");
        }
        line
    }

    /// What may be done with it now, for people.
    pub(super) fn hint(&self) -> Option<String> {
        let id = &self.run.id;
        match self.run.state.as_str() {
            "paused" => Some(format!("`loki deploy resume {id}`, `retry {id}`, `rollback {id}` or `stop {id}`")),
            "awaiting_approval" => Some(format!("`loki deploy approve {id}` has it begin")),
            _ => None,
        }
    }
}
