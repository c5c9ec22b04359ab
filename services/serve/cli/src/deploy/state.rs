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
    /// The same of the batch that it is at.
    #[serde(default)]
    pub(super) batch: BTreeMap<String, u64>,
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

/// Some servers of a run whose task is open.
pub(super) async fn under_way(client: &Client, run: &str, limit: usize) -> Result<Vec<Told>, Error> {
    Ok(client.list(&client.get(&["v1", "runs", run, "tasks"]).with("state", Some("pending,running")), limit).await?.items)
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

/// States of servers besides the one that is hoped for, and how they are told.
const BESIDES: [(&str, &str); 4] = [("running", "at work"), ("pending", "told"), ("failed", "failed"), ("unknown", "unknown")];

fn counts<'s>(of: &BTreeMap<String, u64>, states: impl IntoIterator<Item = &'s (&'s str, &'s str)>) -> Vec<String> {
    let there = |(state, said): &(&str, &str)| of.get(*state).filter(|count| **count > 0).map(|count| format!("{count} {said}"));
    states.into_iter().filter_map(there).collect()
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
            // of a single batch the run's own say it
            let counts = counts(&self.batch, [("succeeded", "succeeded")].iter().chain(&BESIDES));
            if run.batches > 1 && !counts.is_empty() {
                line += &format!(" ({})", counts.join(", "));
            }
        }
        line += &format!("  {} of {} succeeded", self.of("succeeded"), count(run.servers as usize, "server"));
        for count in counts(&self.tasks, &BESIDES) {
            line += &format!(", {count}");
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
