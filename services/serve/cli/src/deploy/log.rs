//! `loki deploy log`: what hooks and scripts have printed on a host.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use serde::{Deserialize, Serialize};

use super::interrupted;
use crate::client::Error;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::text::{count, printable, printable_lines};

/// How long the API is asked to wait for more.
const FOLLOW: Duration = Duration::from_secs(20);
/// The rest of the log of a host that is done is waited for not longer than this: it may have gone, or print nothing any more.
const REST: Duration = Duration::from_secs(30);
/// An API that answers at once that there is nothing more is asked not more often than this.
const PAUSE: Duration = Duration::from_millis(200);

const HELP: &str = "\
Examples:
  loki deploy log 7rvn000000000001 web01.example.com
  loki deploy log 7rvn000000000001 web01.example.com -f
  loki deploy log 7rvn000000000001 id:8swp000000000002 --from 2

Kept are 30 days, and of each host the last 64 MiB. Attempts and steps are told on standard error, so that standard output is the log.
Ctrl-C ends only the reading, with 0, and says where it goes on.";

/// Show what hooks and scripts have printed on a host
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// The run's id
    run: String,
    /// The server's name, or `id:` and its id
    host: String,
    /// Go on until the host is done
    #[arg(short, long)]
    follow: bool,
    /// Begin with this attempt, `2`, or where an earlier call has ended, `1.4096`
    #[arg(long, value_name = "ATTEMPT")]
    from: Option<String>,
}

/// An answer of `GET /v1/runs/{run}/hosts/{host}/log`.
#[derive(Debug, Deserialize)]
struct Log {
    attempt: u32,
    state: String,
    items: Vec<Chunk>,
    next: String,
    complete: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Chunk {
    attempt: u32,
    step: String,
    offset: u64,
    bytes: u32,
    text: String,
    at: String,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let interrupted = interrupted()?;
        let mut told = Told::default();
        let mut from = self.from.clone();
        let mut quiet = Stopwatch::start();
        loop {
            let Some(log) = interrupted.unless(self.read(session, from.as_deref())).await else { break };
            let log = log?;
            if !log.items.is_empty() {
                quiet = Stopwatch::start();
            }
            for chunk in &log.items {
                told.tell(session, chunk)?;
            }
            let moved = from.as_ref() != Some(&log.next) && !log.items.is_empty();
            from = Some(log.next.clone());
            let is_done = !matches!(log.state.as_str(), "pending" | "running");
            if log.complete || (!self.follow && !moved) || (is_done && quiet.elapsed() > REST) {
                told.end(session, &log, is_done, &self);
                return Ok(Exit::Ok);
            }
            if !moved && interrupted.unless(task::sleep(PAUSE)).await.is_none() {
                break;
            }
        }
        told.end_line(session)?;
        let from = from.map(|from| format!(" --from {from}")).unwrap_or_default();
        session.out.note(printable(&format!("`loki deploy log {} {} -f{from}` goes on from here", self.run, self.host)));
        Ok(Exit::Ok)
    }

    async fn read(&self, session: &Session, from: Option<&str>) -> Result<Log, Error> {
        let request = session.client.get(&["v1", "runs", &self.run, "hosts", &self.host, "log"]).with("from", from);
        let request = match self.follow {
            true => request.with("follow", Some(format!("{}s", FOLLOW.as_secs()))).waiting(FOLLOW),
            false => request,
        };
        session.client.send(&request).await?.json()
    }
}

/// What was told last.
#[derive(Default)]
struct Told {
    step: Option<(u32, String)>,
    /// The end of what was told of this attempt's log.
    end: u64,
    /// The last line has no end yet.
    in_line: bool,
}

impl Told {
    fn tell(&mut self, session: &mut Session, chunk: &Chunk) -> Result<(), Failure> {
        let known_attempt = self.step.as_ref().is_some_and(|(attempt, _)| *attempt == chunk.attempt);
        if !session.out.is_json() {
            let begins = if known_attempt { self.end } else { 0 };
            if self.step.as_ref().is_none_or(|(attempt, step)| (*attempt, step) != (chunk.attempt, &chunk.step)) {
                self.end_line(session)?;
                session.out.note(printable(&format!("-- attempt {}, {}", chunk.attempt, chunk.step)));
            }
            // what somebody has asked to begin with later is not missing
            if chunk.offset > begins && self.step.is_some() {
                self.end_line(session)?;
                let missing = usize::try_from(chunk.offset - begins).unwrap_or(usize::MAX);
                session.out.note(format!("-- {} before this are not kept any more", count(missing, "byte")));
            }
            let text = printable_lines(&chunk.text.replace("\r\n", "\n").replace('\r', "\n"));
            session.out.text(&text)?;
            self.in_line = !text.ends_with('\n');
        } else {
            session.out.json(chunk)?;
        }
        self.step = Some((chunk.attempt, chunk.step.clone()));
        self.end = chunk.offset + u64::from(chunk.bytes);
        Ok(())
    }

    fn end_line(&mut self, session: &mut Session) -> Result<(), Failure> {
        if std::mem::take(&mut self.in_line) { session.out.text("\n") } else { Ok(()) }
    }

    /// Says why it ends here, unless that was all.
    fn end(mut self, session: &mut Session, log: &Log, is_done: bool, options: &Options) {
        // what could not be written is told by whoever writes next
        let _written: Result<(), Failure> = self.end_line(session);
        let note = match (log.complete, is_done) {
            (true, _) if self.step.is_some() => return,
            (true, _) => format!("nothing was printed: the host has {}", log.state),
            (false, true) => format!("the host has {} in attempt {}; the end of its log has not come", log.state, log.attempt),
            (false, false) => format!(
                "the host is {} in attempt {}: `loki deploy log {} {} -f --from {}` follows it",
                log.state, log.attempt, options.run, options.host, log.next
            ),
        };
        session.out.note(printable(&note));
    }
}
