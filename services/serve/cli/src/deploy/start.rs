//! `loki deploy start`: a new run.

use loki_domain::{NodePath, job::TemplateName};
use serde_json::json;

use super::interrupted;
use super::send::{Asked, send};
use super::settings::Settings;
use super::watch::{Patience, Watched, watch};
use crate::exit::{Exit, Failure};
use crate::flags::Session;

const HELP: &str = "\
Examples:
  loki deploy start /acme/shop/web --package web --version 1.4.2 --id ci-4711 --wait 30m
  loki deploy start /acme/shop/web --template web --version 1.4.2 --batches '1 25% *2' --on-failure roll_back
  loki deploy start /acme/shop --template script --script 'uptime' --batches 100%

It needs a token that covers the node: see `loki admin token create --help`. The same `--id` with the same data is one run, however often it is sent \
within 24 hours, so that a CI job may repeat itself. With `--wait` it exits as the run does: see `loki deploy watch --help`.";

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
        let interrupted = interrupted()?;
        let is_waited_for = self.patience.limit().is_some();
        let (outcome, exit) = send(session, &interrupted, Asked { id: self.id, kind: "run.start", data, is_waited_for }).await?;
        if !outcome.is_accepted() {
            return Ok(exit);
        }
        let run = outcome.facts.iter().find_map(|fact| fact.key.strip_prefix("run/"));
        let run = run.ok_or_else(|| Failure::new(Exit::Failed, format!("{} has made no run", outcome.position)))?;
        if !session.out.is_json() {
            session.out.line(format_args!("run {run}"))?;
        }
        let Some(limit) = self.patience.limit() else {
            session.out.note(format_args!("`loki deploy watch {run}` shows how far it is"));
            return Ok(Exit::Ok);
        };
        watch(session, &interrupted, Watched { run, after: outcome.after.as_deref(), wanted: None, limit }).await
    }
}
