//! `loki undo`: takes one command back, by new commands.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{NewCommand, new_id};
use crate::duration::Time;
use crate::emit::Sender;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::text::{count, printable};

const HELP: &str = "\
Examples:
  loki undo c17 --plan     what it would send
  loki undo c17            asks, then sends it
  loki undo c17 --yes      for scripts

Nothing is taken out of the history: what changed is put back by new commands, in the reverse order, each after the one before was \
accepted. A membership rule is undone with the sweeps that carried its change on. Exit code 5 when that would not put back all that changed, as \
when something has changed the same entities since: undo that first. Exit code 1 when one of the commands is rejected, 124 when one has no \
outcome in time: it stays in the log and may still be carried out.";

/// Take one command back by new commands
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// The command, as `loki audit` tells it: `c17`
    position: String,
    /// Only show the commands that it would send
    #[arg(long)]
    plan: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// How long to wait for each outcome
    #[arg(long, default_value = "30s", value_name = "TIME")]
    wait: Time,
    #[command(flatten)]
    sender: Sender,
}

#[derive(Debug, Deserialize)]
struct Plan {
    commands: Vec<Step>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Step {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let request = session.client.get(&["v1", "history", "undo"]).with("position", Some(&self.position));
        let answer = session.client.send(&request).await?;
        let Plan { commands } = answer.json()?;
        if self.plan && session.out.is_json() {
            session.out.json(&answer.raw()?)?;
            return Ok(Exit::Ok);
        }
        if !session.out.is_json() {
            for step in &commands {
                session.out.line(shown(step))?;
            }
        }
        let position = printable(&self.position);
        if commands.is_empty() {
            return Err(Failure::new(Exit::Conflict, format!("no command undoes {position}")));
        }
        let question = format!("undo {position} by {}?", count(commands.len(), "command"));
        if self.plan || !session.out.confirms(self.yes, &question)? {
            return Ok(Exit::Ok);
        }
        self.send(session, &commands).await
    }

    async fn send(&self, session: &mut Session, commands: &[Step]) -> Result<Exit, Failure> {
        // An attempt of its own: with the plan's ids alone a second attempt would be answered with the rejection of the first for a day.
        let attempt = new_id();
        let attempt = &attempt[attempt.len() - 12..];
        for (done, step) in commands.iter().enumerate() {
            let id = format!("{}-{attempt}", step.id);
            let command = NewCommand { id: &id, kind: &step.kind, actor: self.sender.actor.as_deref(), expires: None, data: &step.data };
            let outcome = session.client.emit(&command, Some(self.wait.0)).await?;
            match outcome.json().filter(|_| session.out.is_json()) {
                Some(json) => session.out.json(json)?,
                None => session.out.line(&outcome)?,
            }
            let (left, all) = (commands.len() - done, commands.len());
            if outcome.is_pending() {
                let position = printable(&outcome.position);
                let behind = match left - 1 {
                    0 => String::new(),
                    more => format!("; {more} of {} not sent", count(all, "command")),
                };
                let look = format!("see what becomes of it by `loki audit --from {position} --to {position} --after {position}`");
                let message = format!("{position} has no outcome after {} and may still be carried out: {look}{behind}", self.wait);
                return Err(Failure::new(outcome.exit(), message));
            }
            if !outcome.is_accepted() {
                let message = format!("stopped: {left} of {} not carried out; those before it stay as they are", count(all, "command"));
                return Err(Failure::new(outcome.exit(), message));
            }
        }
        Ok(Exit::Ok)
    }
}

fn shown(step: &Step) -> String {
    printable(&format!("{} {}", step.kind, step.data.get()))
}
