//! `loki deploy start`: a new run.

use loki_domain::{NodePath, job::TemplateName};
use serde_json::json;

use super::interrupted;
use super::operate::OUTCOME;
use super::settings::Settings;
use super::watch::{Patience, Watched, watch};
use crate::emit::{ask, tell};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::outcome::Outcome;

const HELP: &str = "\
Examples:
  loki deploy start /acme/shop/web --package web --version 1.4.2 --id ci-4711 --wait 30m
  loki deploy start /acme/shop/web --template web --version 1.4.2 --batches '1 25% *2' --on-failure roll_back
  loki deploy start /acme/shop --template script --script 'uptime' --batches 100%

It needs a token that covers the node: see `loki admin token create --help`. The same `--id` with the same data is one run, however often it is sent \
within 24 hours, so that a CI job may repeat itself.";

/// Start a run on every online server of a node
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// The node; the servers of those below belong to it
    node: NodePath,
    /// The nearest template of this name; `standard-deploy` and `script` are everywhere
    #[arg(long, default_value = "standard-deploy", value_name = "NAME")]
    template: TemplateName,
    #[command(flatten)]
    settings: Settings,
    /// Id by which a repetition of the command is known; a new one when absent
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let data = json!({ "node": self.node.to_string(), "template": self.template.as_str(), "settings": self.settings.json()? });
        // the command is carried out whether somebody reads of it or not
        session.out.outlive_reader();
        let outcome = ask(&session.client, None, self.id, "run.start", &data, OUTCOME.0).await?;
        let exit = tell(&mut session.out, &outcome, Some(OUTCOME.0))?;
        if !outcome.is_accepted() {
            return Ok(exit);
        }
        let run = run_of(session, &outcome).await?;
        if !session.out.is_json() {
            session.out.line(format_args!("run {run}"))?;
        }
        let Some(limit) = self.patience.limit() else {
            session.out.note(format_args!("`loki deploy watch {run}` shows how far it is"));
            return Ok(Exit::Ok);
        };
        watch(session, &interrupted()?, Watched { run: &run, after: outcome.after.as_deref(), wanted: None, limit }).await
    }
}

/// The run that a command has made. The answer to a repetition has no facts: those of the first are asked for.
async fn run_of(session: &Session, outcome: &Outcome) -> Result<String, Failure> {
    let found = |outcome: &Outcome| outcome.facts.iter().find_map(|fact| fact.key.strip_prefix("run/").map(str::to_owned));
    if let Some(run) = found(outcome) {
        return Ok(run);
    }
    let first = match &outcome.duplicate_of {
        Some(position) => found(&session.client.outcome(position, OUTCOME.0).await?),
        None => None,
    };
    first.ok_or_else(|| Failure::new(Exit::Failed, format!("{} has made no run", outcome.position)))
}
