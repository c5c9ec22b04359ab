//! `loki deploy watch`: a run as it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

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
    pub(super) fn waits(self) -> bool {
        self.wait.is_some()
    }
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        watch(session, &self.run, None, Patience { wait: Some(self.wait) }).await
    }
}

/// Tells what changes, a line each, and ends with the run. Interrupted it says how to come back: the run goes on.
pub(super) async fn watch(session: &mut Session, run: &str, after: Option<&str>, patience: Patience) -> Result<Exit, Failure> {
    let interrupted = Shutdown::new();
    interrupted.on_signals().map_err(|error| Failure::new(Exit::Failed, format!("cannot listen for Ctrl-C: {error}")))?;
    let limit = patience.wait.map_or(Duration::MAX, |wait| wait.0);
    let (watch, mut told) = (Stopwatch::start(), Followed::default());
    let mut after = after;
    loop {
        let Some(detail) = interrupted.unless(state::read(&session.client, run, after.take())).await else { break };
        let detail = detail?;
        told.tell(session, &detail).await?;
        if let Some(exit) = detail.exit() {
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
