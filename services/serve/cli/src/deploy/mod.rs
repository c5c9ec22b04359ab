//! `loki deploy`: runs, from their plan to their end.

mod follow;
mod list;
mod live;
mod log;
mod operate;
mod plan;
mod send;
mod settings;
mod start;
mod state;
mod watch;

use loki_domain::RunState;
use loki_runtime::Shutdown;

use crate::exit::{Exit, Failure};
use crate::flags::Session;

const HELP: &str = "\
Examples:
  loki deploy plan /acme/shop/web --batches '1 25% *2'
  loki deploy start /acme/shop/web --package web --version 1.4.2 --wait 30m
  loki deploy watch 7rvn000000000001
  loki deploy log 7rvn000000000001 web01.example.com -f
  loki deploy rollback 7rvn000000000001 --fast

`watch`, and all the others with `--wait`, exit as the run does: see `loki deploy watch --help`.";

/// Deploy packages and run scripts, batch by batch
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Plan(plan::Options),
    Start(start::Options),
    Watch(watch::Options),
    List(list::Options),
    Log(log::Options),
    /// Have a run begin that waits for an approval
    Approve(operate::Options),
    /// Have a run tell no further server; those that were told go on
    Pause(operate::Options),
    /// Have a paused run go on, whatever has failed so far
    Resume(operate::Options),
    /// End a run where it is
    Stop(operate::Options),
    /// Try once more what has failed so far
    Retry(operate::Options),
    /// Have every server that was told go back to what was there before
    Rollback(operate::Rollback),
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Plan(options) => options.run(session).await,
            Action::Start(options) => options.run(session).await,
            Action::Watch(options) => options.run(session).await,
            Action::List(options) => options.run(session).await,
            Action::Log(options) => options.run(session).await,
            Action::Approve(options) => options.run("run.approve", None, session).await,
            Action::Pause(options) => options.run("run.pause", Some(RunState::Paused), session).await,
            Action::Resume(options) => options.run("run.resume", None, session).await,
            Action::Stop(options) => options.run("run.stop", Some(RunState::Cancelled), session).await,
            Action::Retry(options) => options.run("run.retry", None, session).await,
            Action::Rollback(options) => options.run(session).await,
        }
    }
}

/// Set by Ctrl-C: what was begun goes on, and whoever leaves is told how to come back.
fn interrupted() -> Result<Shutdown, Failure> {
    let interrupted = Shutdown::new();
    interrupted.on_signals().map_err(|error| Failure::new(Exit::Failed, format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(interrupted)
}
