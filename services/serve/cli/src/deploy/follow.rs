//! A run that is looked at until it has ended: what has changed since the last look is told.

use std::collections::BTreeMap;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::live;
use super::state::{self, Detail, Told};
use super::watch::Watched;
use crate::client::{Client, Error};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::Output;
use crate::output::text::printable;

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of larger runs only the servers that have failed are told, and read.
const EACH_UP_TO: u32 = 100;

/// The end of the wait; `None` when its time is over first. An API that is away is no end: the run goes on without it.
pub(super) async fn follow(session: &mut Session, watched: &Watched<'_>) -> Result<Option<Exit>, Failure> {
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
                if out.is_live() {
                    out.live(told.live(client, &detail, &tasks).await);
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

/// What was told last.
#[derive(Default)]
struct Followed {
    line: String,
    hint: Option<String>,
    tasks: BTreeMap<String, String>,
    /// How many servers have failed, and how many are unknown.
    bad: (u64, u64),
    /// That there is no answer.
    is_away: bool,
}

impl Followed {
    /// The run, and the servers whose state may be new.
    async fn look(&self, client: &Client, run: &str, after: Option<&str>) -> Result<(Detail, Vec<Told>), Error> {
        let detail = state::read(client, run, after).await?;
        let is_over = state::is_ended(&detail.run.state) && detail.bad() != (0, 0);
        let tasks = match detail.run.servers <= EACH_UP_TO {
            // steps of servers move without the run
            true => state::tasks(client, run, None).await?,
            false if is_over || detail.bad() != self.bad => state::tasks(client, run, Some("failed,unknown")).await?,
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
        self.tell_tasks(out, tasks)?;
        self.bad = detail.bad();
        let hint = detail.hint();
        if hint != self.hint
            && let Some(hint) = &hint
        {
            out.note(hint);
        }
        self.hint = hint;
        Ok(())
    }

    /// What a terminal shows besides.
    async fn live(&self, client: &Client, detail: &Detail, tasks: &[Told]) -> Vec<String> {
        if detail.run.servers <= EACH_UP_TO {
            return live::lines(detail, tasks);
        }
        // an API that is away is told of by the next look
        let under_way = state::under_way(client, &detail.run.id, live::NAMED).await.unwrap_or_default();
        live::lines(detail, &under_way)
    }

    fn tell_tasks(&mut self, out: &mut Output, tasks: &[Told]) -> Result<(), Failure> {
        for told in tasks {
            let line = printable(&told.line());
            if self.tasks.get(&told.task.server) != Some(&line) {
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
