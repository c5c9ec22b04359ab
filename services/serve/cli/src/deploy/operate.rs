//! `loki deploy pause` and what else can be done with a run that has begun.

use loki_domain::RunState;
use serde_json::{Value, json};

use super::interrupted;
use super::send::{Asked, send};
use super::watch::{ENDS, Patience, Watched, watch};
use crate::exit::{Exit, Failure};
use crate::flags::Session;

#[derive(Debug, clap::Args)]
#[command(after_help = ENDS)]
pub(super) struct Options {
    /// The run's id
    run: String,
    /// Id by which a repetition of the command is known; a new one when absent
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, clap::Args)]
#[command(after_help = ENDS)]
pub(super) struct Rollback {
    #[command(flatten)]
    options: Options,
    /// Everywhere at once, and not batch by batch
    #[arg(long)]
    fast: bool,
}

impl Options {
    /// `wanted`: what the run becomes when it does as it is told; with `None` it goes on, and its end is waited for.
    pub(super) async fn run(self, kind: &str, wanted: Option<RunState>, session: &mut Session) -> Result<Exit, Failure> {
        let data = json!({ "run": self.run });
        self.send(kind, data, wanted, session).await
    }

    async fn send(self, kind: &str, data: Value, wanted: Option<RunState>, session: &mut Session) -> Result<Exit, Failure> {
        let (interrupted, limit) = (interrupted()?, self.patience.limit());
        let (outcome, exit) = send(session, &interrupted, Asked { id: self.id, kind, data, is_waited_for: limit.is_some() }).await?;
        match limit {
            Some(limit) if outcome.is_accepted() => {
                watch(session, &interrupted, Watched { run: &self.run, after: outcome.after.as_deref(), wanted, limit }).await
            }
            _ => Ok(exit),
        }
    }
}

impl Rollback {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let data = json!({ "run": self.options.run, "fast": self.fast });
        self.options.send("run.roll_back", data, Some(RunState::RolledBack), session).await
    }
}
