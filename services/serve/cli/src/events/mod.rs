//! `loki events`: outcomes as they are decided, without a hole over lost connections.

mod sse;

use std::time::Duration;

use loki_runtime::Backoff;
use loki_runtime::clock::Stopwatch;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::{Client, Error};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::outcome::{Outcome, Verdict};
use crate::output::Output;
use crate::output::text::{count, printable};

/// The server says something every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long to try to come back before giving up.
const AWAY_MAX: Duration = Duration::from_secs(300);

const HELP: &str = "\
Examples:
  loki events                      from now on
  loki events --from o41 -n 10     the ten after o41
  loki events --from o             from the oldest
  loki events -o json | jq 'select(.event == \"rejected\")'

The first column is the outcome's position: `--from` takes it to go on. A lost connection is taken up where it broke.";

/// Follow outcomes as they are decided
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// Begin after this outcome, `o41`; `o` begins at the oldest; without it only new ones are told
    #[arg(long, value_name = "POSITION")]
    from: Option<String>,
    /// End after so many
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// An event on a line of its own.
#[derive(Serialize)]
struct Line<'e> {
    id: Option<&'e str>,
    event: &'e str,
    data: &'e RawValue,
}

/// How far the caller has got.
struct Follower {
    /// The last position told, or where to begin.
    last: Option<String>,
    left: Option<u64>,
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let Session { client, out } = session;
        // with a place to begin nothing is missed when the connection breaks before the first event
        let begin = match self.from {
            Some(from) => Some(from),
            None => newest(client).await?,
        };
        let mut follower = Follower { last: begin, left: self.count };
        let mut backoff = Backoff::for_backend();
        let mut away = Stopwatch::start();
        loop {
            let told = follower.last.clone();
            let error = match follower.follow(client, out).await {
                Ok(()) if follower.left == Some(0) => return Ok(Exit::Ok),
                // the server ends streams when it stops
                Ok(()) => None,
                Err(Broken::For(failure)) => return Err(failure),
                Err(Broken::Now(error)) => Some(error),
            };
            if follower.last != told {
                backoff.reset();
                away = Stopwatch::start();
            }
            if away.elapsed() > AWAY_MAX {
                let why = error.map_or_else(|| "the server ends the stream".to_owned(), |error| error.to_string());
                let position = follower.last.as_deref().unwrap_or("o");
                return Err(Failure::new(Exit::Failed, printable(&format!("{why}: go on with `--from {position}`"))));
            }
            backoff.wait().await;
        }
    }
}

/// Why following ended.
enum Broken {
    /// For good.
    For(Failure),
    /// It may come back.
    Now(Error),
}

impl Follower {
    async fn follow(&mut self, client: &Client, out: &mut Output) -> Result<(), Broken> {
        let request = client.get(&["v1", "events"]).with("from", self.last.as_ref()).after_event(self.last.as_deref());
        let refused = |error: Error| if error.is_passing() { Broken::Now(error) } else { Broken::For(error.into()) };
        let mut stream = client.open(&request).await.map_err(refused)?;
        let mut parser = sse::Parser::default();
        while let Some(piece) = stream.piece(SILENCE_MAX).await.map_err(Broken::Now)? {
            for event in parser.take(&piece).map_err(Broken::For)? {
                self.tell(&event, out).map_err(Broken::For)?;
                if self.left == Some(0) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: &sse::Event, out: &mut Output) -> Result<(), Failure> {
        let unreadable = |error: serde_json::Error| Failure::new(Exit::Failed, format!("an event cannot be read: {error}"));
        let data: &RawValue = serde_json::from_str(&event.data).map_err(unreadable)?;
        if out.is_json() {
            out.json(&Line { id: event.id.as_deref(), event: &event.kind, data })?;
        } else {
            let outcome: Outcome = serde_json::from_str(&event.data).map_err(unreadable)?;
            out.line(line(event, &outcome))?;
        }
        self.last = event.id.clone().or_else(|| self.last.take());
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }
}

/// The newest outcome's position, `o` before the first one.
async fn newest(client: &Client) -> Result<Option<String>, Failure> {
    let status = client.status().await?;
    let history = status.projections.into_iter().find(|projection| projection.end.starts_with('o'));
    Ok(history.and_then(|history| history.end.strip_prefix('o').and_then(|end| end.parse::<u64>().ok())).map(|end| {
        match end.checked_sub(1) {
            Some(newest) => format!("o{newest}"),
            None => "o".to_owned(),
        }
    }))
}

fn line(event: &sse::Event, outcome: &Outcome) -> String {
    let what = match outcome.verdict {
        Verdict::Accepted => count(outcome.facts.len(), "fact"),
        Verdict::Duplicate => format!("asked before at {}", outcome.duplicate_of.as_deref().unwrap_or("-")),
        _ => outcome.reason(),
    };
    let kind = outcome.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("-");
    let actor = outcome.actor.as_deref().unwrap_or("-");
    printable(&format!("{}  {}  {}  {kind}  {actor}  {what}", event.id.as_deref().unwrap_or("-"), outcome.position, event.kind))
}
