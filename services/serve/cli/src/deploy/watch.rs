//! `loki deploy watch`: a run as it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_domain::RunState;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};

use super::interrupted;
use super::state::{self, Detail, Told};
use crate::client::{Client, Error};
use crate::duration::Time;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::Output;
use crate::output::text::printable;

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// An answer that is awaited when the time is over, from an API that is away, makes the wait longer by no more than this.
const LATE: Duration = Duration::from_secs(5);
/// Of larger runs only the servers that have failed are told.
const EACH_UP_TO: u32 = 100;

/// Follow a run until it has ended, or waits for somebody
#[derive(Debug, clap::Args)]
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
    let why = match interrupted.unless(task::timeout(limit + LATE, follow(session, &watched))).await {
        Some(Some(Err(failure))) => return Err(failure),
        Some(Some(Ok(Some(exit)))) => return Ok(exit),
        Some(_) => format!("run {run} was not seen to end within {}: it goes on", Time(limit)),
        None => format!("run {run} goes on without being watched"),
    };
    session.out.note(come_back(run));
    Err(Failure::new(Exit::Timeout, why))
}

/// The end of the wait; `None` when its time is over first. An API that is away is no end: the run goes on without it.
async fn follow(session: &mut Session, watched: &Watched<'_>) -> Result<Option<Exit>, Failure> {
    let Session { client, out } = session;
    let (watch, mut told) = (Stopwatch::start(), Followed::default());
    let mut after = watched.after;
    loop {
        match told.look(client, watched.run, after).await {
            Ok((detail, tasks)) => {
                after = None;
                told.tell(out, &detail, &tasks)?;
                if let Some(exit) = detail.exit(watched.wanted) {
                    return told.end(out, &detail, exit).map(Some);
                }
            }
            Err(error) if error.is_passing() && client.has_answered() => told.away(out, &error),
            Err(error) => return Err(error.into()),
        }
        if watch.elapsed() > watched.limit {
            return Ok(None);
        }
        task::sleep(LOOK_EVERY).await;
    }
}

fn come_back(run: &str) -> String {
    format!("`loki deploy watch {run}` follows it again, `loki deploy stop {run}` ends it")
}

/// What was told last.
#[derive(Default)]
struct Followed {
    line: String,
    hint: Option<String>,
    tasks: BTreeMap<String, String>,
    /// That there is no answer.
    is_away: bool,
}

impl Followed {
    /// The run, and the servers whose state may be new.
    async fn look(&self, client: &Client, run: &str, after: Option<&str>) -> Result<(Detail, Vec<Told>), Error> {
        let detail = state::read(client, run, after).await?;
        // steps of servers move without the run
        let tasks = match self.line != printable(&detail.line()) || detail.run.servers <= EACH_UP_TO {
            true => state::tasks(client, run).await?,
            false => Vec::new(),
        };
        Ok((detail, tasks))
    }

    fn tell(&mut self, out: &mut Output, detail: &Detail, tasks: &[Told]) -> Result<(), Failure> {
        if std::mem::take(&mut self.is_away) {
            out.note("the API answers again");
        }
        let line = printable(&detail.line());
        if self.line.is_empty() && !out.is_json() {
            let what = state::what(&detail.run, detail.package.as_ref());
            let node = detail.path.as_deref().unwrap_or("a node that is gone");
            out.line(printable(&format!("{what} to {node}, by {}", detail.run.by)))?;
        }
        if line != self.line && !out.is_json() {
            out.line(&line)?;
        }
        self.line = line;
        self.tell_tasks(out, detail, tasks)?;
        let hint = detail.hint();
        if hint != self.hint
            && let Some(hint) = &hint
        {
            out.note(hint);
        }
        self.hint = hint;
        Ok(())
    }

    fn tell_tasks(&mut self, out: &mut Output, detail: &Detail, tasks: &[Told]) -> Result<(), Failure> {
        let all = detail.run.servers <= EACH_UP_TO;
        for told in tasks {
            let worth = all || matches!(told.task.state.as_str(), "failed" | "unknown");
            let line = printable(&told.line());
            if worth && self.tasks.get(&told.task.server) != Some(&line) {
                match out.is_json() {
                    true => out.json(told)?,
                    false => out.line(format_args!("  {line}"))?,
                }
                self.tasks.insert(told.task.server.clone(), line);
            }
        }
        Ok(())
    }

    fn away(&mut self, out: &mut Output, error: &Error) {
        if !std::mem::replace(&mut self.is_away, true) {
            out.note(printable(&format!("nothing is heard of the run ({error}): it goes on, and so does the wait for it")));
        }
    }

    /// For programs the run itself comes last.
    fn end(&self, out: &mut Output, detail: &Detail, exit: Exit) -> Result<Exit, Failure> {
        if out.is_json() {
            out.json(&detail.run)?;
        }
        Ok(exit)
    }
}
