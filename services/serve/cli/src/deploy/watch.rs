//! `loki deploy watch`: a run as it goes on.

use std::time::Duration;

use loki_domain::RunState;
use loki_runtime::{Shutdown, task};

use super::follow::follow;
use super::interrupted;
use crate::duration::Time;
use crate::exit::{Exit, Failure};
use crate::flags::Session;

/// An answer that is awaited when the time is over, from an API that is away, makes the wait longer by no more than this.
const LATE: Duration = Duration::from_secs(5);

/// How a wait ends, for the end of a help text.
pub(super) const ENDS: &str = "\
Exit code of whoever waits for a run: 0 when it has succeeded, or has become what was asked for (`pause`: paused, `stop`: cancelled, `rollback`: \
rolled back); 1 when it has ended otherwise, or is paused or not approved and so waits for somebody; 124 when the time is over or Ctrl-C has ended \
the wait: the run goes on. An API that is away ends no wait.";

/// Follow a run until it has ended, or waits for somebody
#[derive(Debug, clap::Args)]
#[command(after_help = ENDS)]
pub(super) struct Options {
    /// The run's id
    run: String,
    /// Not longer than this
    #[arg(long, value_name = "TIME", default_value = "24h")]
    wait: Time,
}

/// Whether to wait for a run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Patience {
    /// Follow the run until it has ended or waits for somebody, 30 min unless said otherwise
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = false, default_missing_value = "30m")]
    wait: Option<Time>,
}

impl Patience {
    /// How long, if at all.
    pub(super) fn limit(self) -> Option<Duration> {
        self.wait.map(|wait| wait.0)
    }
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let watched = Watched { run: &self.run, after: None, wanted: None, limit: self.wait.0 };
        watch(session, &interrupted()?, watched).await
    }
}

/// A run that is waited for.
pub(super) struct Watched<'w> {
    pub(super) run: &'w str,
    /// The fact from which on it is as it was asked for: what was before is no end.
    pub(super) after: Option<&'w str>,
    /// What it was asked to become, instead of a success.
    pub(super) wanted: Option<RunState>,
    pub(super) limit: Duration,
}

/// Tells what changes, a line each, and ends with the run. Interrupted it says how to come back: the run goes on.
pub(super) async fn watch(session: &mut Session, interrupted: &Shutdown, watched: Watched<'_>) -> Result<Exit, Failure> {
    session.out.outlive_reader();
    let Watched { run, limit, .. } = watched;
    let ended = interrupted.unless(task::timeout(limit + LATE, Box::pin(follow(session, &watched)))).await;
    session.out.live(Vec::new());
    let why = match ended {
        Some(Some(Err(failure))) => return Err(failure),
        Some(Some(Ok(Some(exit)))) => return Ok(exit),
        Some(_) => format!("run {run} was not seen to end within {}: it goes on", Time(limit)),
        None => format!("run {run} goes on without being watched"),
    };
    session.out.note(come_back(run));
    Err(Failure::new(Exit::Timeout, why))
}

fn come_back(run: &str) -> String {
    format!("`loki deploy watch {run}` follows it again, `loki deploy stop {run}` ends it")
}
