//! `loki deploy watch`: a run as it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_domain::RunState;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Shutdown, task};

use super::state::{self, Detail, Told};
use crate::duration::Time;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::text::printable;

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
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
        watch(session, watched).await
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
pub(super) async fn watch(session: &mut Session, watched: Watched<'_>) -> Result<Exit, Failure> {
    let Watched { run, mut after, wanted, limit } = watched;
    session.out.outlive_reader();
    let interrupted = Shutdown::new();
    interrupted.on_signals().map_err(|error| Failure::new(Exit::Failed, format!("cannot listen for Ctrl-C: {error}")))?;
    let (watch, mut told) = (Stopwatch::start(), Followed::default());
    loop {
        let Some(detail) = interrupted.unless(state::read(&session.client, run, after.take())).await else { break };
        let detail = detail?;
        told.tell(session, &detail).await?;
        if let Some(exit) = detail.exit(wanted) {
            return told.end(session, &detail, exit);
        }
        if watch.elapsed() > limit {
            session.out.note(come_back(run));
            return Err(Failure::new(Exit::Timeout, format!("run {run} goes on: it has not ended within {}", Time(limit))));
        }
        if interrupted.unless(task::sleep(LOOK_EVERY)).await.is_none() {
            break;
        }
    }
    session.out.note(come_back(run));
    Err(Failure::new(Exit::Timeout, format!("run {run} goes on without being watched")))
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
}

impl Followed {
    async fn tell(&mut self, session: &mut Session, detail: &Detail) -> Result<(), Failure> {
        let line = printable(&detail.line());
        if self.line.is_empty() && !session.out.is_json() {
            let what = state::what(&detail.run, detail.package.as_ref());
            let node = detail.path.as_deref().unwrap_or("a node that is gone");
            session.out.line(printable(&format!("{what} to {node}, by {}", detail.run.by)))?;
        }
        let is_new = line != self.line;
        if is_new && !session.out.is_json() {
            session.out.line(&line)?;
        }
        // steps of servers move without the run
        if is_new || detail.run.servers <= EACH_UP_TO {
            self.tell_tasks(session, detail).await?;
        }
        self.line = line;
        let hint = detail.hint();
        if hint != self.hint
            && let Some(hint) = &hint
        {
            session.out.note(hint);
        }
        self.hint = hint;
        Ok(())
    }

    async fn tell_tasks(&mut self, session: &mut Session, detail: &Detail) -> Result<(), Failure> {
        let all = detail.run.servers <= EACH_UP_TO;
        for told in state::tasks(&session.client, &detail.run.id).await? {
            let worth = all || matches!(told.task.state.as_str(), "failed" | "unknown");
            let line = printable(&told.line());
            if worth && self.tasks.get(&told.task.server) != Some(&line) {
                self.show(session, &told, &line)?;
                self.tasks.insert(told.task.server.clone(), line);
            }
        }
        Ok(())
    }

    fn show(&self, session: &mut Session, told: &Told, line: &str) -> Result<(), Failure> {
        match session.out.is_json() {
            true => session.out.json(told),
            false => session.out.line(format_args!("  {line}")),
        }
    }

    /// For programs the run itself comes last.
    fn end(&self, session: &mut Session, detail: &Detail, exit: Exit) -> Result<Exit, Failure> {
        if session.out.is_json() {
            session.out.json(&detail.run)?;
        }
        Ok(exit)
    }
}
