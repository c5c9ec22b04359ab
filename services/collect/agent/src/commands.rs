//! Commands and their outcomes, and what the API knows of this server.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_client::{Client, Failure};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Who asks, in the audit.
const ACTOR: &str = "agent";
/// What one request waits, at most: well below what the API allows by default.
const STEP: Duration = Duration::from_secs(5);
/// An API whose `wait_max` is short answers earlier than it was asked to: not more often than this is it asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// A decider that takes longer for one command is away.
const OUTCOME_MAX: Duration = Duration::from_secs(30);

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Outcome {
    outcome: String,
    position: String,
    pub(crate) code: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) message: Option<String>,
}

impl Outcome {
    pub(crate) fn is_accepted(&self) -> bool {
        self.outcome == "accepted"
    }

    /// What was asked for is there, or something of that name.
    pub(crate) fn is_there_already(&self) -> bool {
        self.code.as_deref() == Some("already_exists")
    }

    /// Code and message of what was not accepted.
    pub(crate) fn reason(&self) -> String {
        format!("{}: {}", self.code.as_deref().unwrap_or("no code"), self.message.as_deref().unwrap_or_default())
    }

    fn is_pending(&self) -> bool {
        self.outcome == "pending"
    }
}

/// A server, as the API knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Registered {
    #[serde(default)]
    pub(crate) serial: Option<String>,
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) state: String,
    /// On how many nodes it is mounted.
    #[serde(skip)]
    pub(crate) mounts: usize,
}

#[derive(Deserialize)]
struct View {
    server: Registered,
    #[serde(default)]
    mounts: Vec<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
struct Command<'c, D> {
    /// A new one each time. Derived from what is asked, it would be answered with the first outcome when a machine becomes within a day what it
    /// was before; and what the agent asks for twice has its effect once anyway.
    id: String,
    #[serde(rename = "type")]
    kind: &'c str,
    actor: &'c str,
    data: &'c D,
}

/// The API, as the agent uses it.
#[derive(Clone)]
pub(crate) struct Commands(Client);

impl Commands {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// The server of this name: the one that is not retired, else the one that retired last.
    pub(crate) async fn server(&self, name: &str) -> Result<Option<Registered>, Failure> {
        let answer = self.0.send(self.0.request(Method::GET, &["v1", "servers", name])).await?;
        // another program's 404 tells nothing of servers
        if answer.status == 404 && answer.has_code("not_found") {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(answer.failure());
        }
        let View { server, mounts } = answer.json()?;
        Ok(Some(Registered { mounts: mounts.len(), ..server }))
    }

    /// Sends a command and waits for its outcome.
    pub(crate) async fn command(&self, kind: &str, data: &impl Serialize) -> Result<Outcome, Failure> {
        let command = Command { id: uuid::Uuid::now_v7().to_string(), kind, actor: ACTOR, data };
        let body = serde_json::to_vec(&command).map_err(|error| Failure::Refused(format!("`{kind}` cannot be written: {error}")))?;
        let started = Stopwatch::start();
        let answer = self.0.send(self.0.request(Method::POST, &["v1", "commands"]).json(body).waiting(STEP)).await?;
        if !answer.is_success() {
            return Err(answer.failure());
        }
        let mut outcome: Outcome = answer.json()?;
        while outcome.is_pending() {
            if started.elapsed() > OUTCOME_MAX {
                return Err(Failure::away(format!("`{kind}` at {} has no outcome yet", outcome.position)));
            }
            task::sleep(PAUSE).await;
            let answer = self.0.send(self.0.request(Method::GET, &["v1", "commands", &outcome.position]).waiting(STEP)).await?;
            if !answer.is_success() {
                return Err(answer.failure());
            }
            outcome = answer.json()?;
        }
        Ok(outcome)
    }
}
