//! Sending a plan: parents before children, many commands at once where none waits for another.
//!
//! The order of a plan is its meaning: a node before the nodes below it, a server before its mounts. Commands of one stage stand on earlier stages
//! only, so they may overtake each other; each stage ends before the next one begins. Every command has an id that comes from what it says
//! and from the state that it was planned on: sending it again, or running twice at once, has one effect.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use loki_domain::Position;
use serde_json::value::to_raw_value;

use crate::client::{Client, Error, NewCommand};
use crate::emit::Sender;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::import::plan::Unchanged;
use crate::import::{Plan, Step};
use crate::outcome::Outcome;

/// Commands on their way at once: each append waits for the disk, and the log writes those that wait together.
const IN_FLIGHT: usize = 32;

/// A decider that takes over needs some ten seconds.
const OUTCOME_MAX: Duration = Duration::from_secs(60);

/// How far an import has got.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) planned: usize,
    pub(super) accepted: usize,
    pub(super) rejected: Vec<Rejected>,
    pub(super) unchanged: Unchanged,
    /// The highest position at which a command's facts can be read.
    pub(super) after: Option<Position>,
}

/// A step that was refused, by the API or by the decider.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) step: Step,
    pub(super) code: String,
    pub(super) field: Option<String>,
    pub(super) message: String,
}

impl Done {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { planned: plan.steps.len(), accepted: 0, rejected: Vec::new(), unchanged: plan.unchanged, after: None }
    }

    fn answered(&self) -> usize {
        self.accepted + self.rejected.len()
    }

    fn take(&mut self, step: Step, answer: Result<Outcome, Error>) -> Result<(), Failure> {
        let rejected = match answer {
            Ok(outcome) if outcome.is_accepted() => {
                self.accepted += 1;
                let after = outcome.after.and_then(|after| after.parse().ok());
                self.after = self.after.max(after);
                return Ok(());
            }
            Ok(outcome) if outcome.is_pending() => {
                let message = format!("`{}` has no outcome after {} s: is a decider running?", outcome.position, OUTCOME_MAX.as_secs());
                return Err(Failure::new(Exit::Timeout, message));
            }
            Ok(Outcome { code, field, message, .. }) => {
                Rejected { step, code: code.unwrap_or_default(), field, message: message.unwrap_or_default() }
            }
            Err(Error::Problem(problem)) if matches!(problem.status, 400 | 413 | 422) => {
                Rejected { step, code: problem.code, field: problem.field, message: problem.detail }
            }
            Err(error) => return Err(error.into()),
        };
        self.rejected.push(rejected);
        Ok(())
    }
}

/// Sends all steps and returns when what they changed can be read.
pub(super) async fn send(session: &mut Session, sender: &Sender, steps: Vec<Step>, done: &mut Done) -> Result<(), Failure> {
    let Session { client, out } = session;
    let mut progress = out.progress("importing", steps.len() as u64);
    let mut ended = Ok(());
    'stages: for stage in stages(steps) {
        let mut answers = futures::stream::iter(stage).map(|step| emit(client, sender, step)).buffer_unordered(IN_FLIGHT);
        while let Some((step, answer)) = answers.next().await {
            ended = done.take(step, answer);
            progress.at(done.answered() as u64, out);
            if ended.is_err() {
                break 'stages;
            }
        }
    }
    progress.end();
    if let Err(failure) = ended {
        let message = format!("stopped after {} of {}: {failure}; run it again, it does what is missing", done.answered(), done.planned);
        return Err(Failure { message, ..failure });
    }
    if let Some(after) = done.after
        && let Err(error) = until_readable(client, after).await
    {
        out.note(format_args!("imported, but not readable yet: {error}"));
    }
    Ok(())
}

async fn emit(client: &Client, sender: &Sender, step: Step) -> (Step, Result<Outcome, Error>) {
    let answer = match to_raw_value(&step.data) {
        Ok(data) => {
            let command = NewCommand { id: &step.id, kind: step.command_type, actor: sender.actor.as_deref(), expires: None, data: &data };
            client.emit(&command, Some(OUTCOME_MAX)).await
        }
        Err(error) => Err(Error::Request(format!("the command cannot be written: {error}"))),
    };
    (step, answer)
}

/// So that whoever looks next, or imports again, sees it.
async fn until_readable(client: &Client, after: Position) -> Result<(), Error> {
    let tree = client.get(&["v1", "tree"]).with("depth", Some(0)).with("after", Some(after));
    let servers = client.get(&["v1", "servers"]).with("limit", Some(1)).with("after", Some(after));
    client.send(&tree).await?;
    client.send(&servers).await?;
    Ok(())
}

/// Nodes level by level, then servers, then mounts.
fn stages(steps: Vec<Step>) -> impl Iterator<Item = Vec<Step>> {
    let mut stages: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
    for step in steps {
        let stage = match step.command_type {
            "node.create" => step.data["path"].as_str().map_or(0, |path| path.matches('/').count()),
            // the node is there already
            "node.set" => 0,
            "server.mount" => usize::MAX,
            _ => usize::MAX - 1,
        };
        stages.entry(stage).or_default().push(step);
    }
    stages.into_values()
}
