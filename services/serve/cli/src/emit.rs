//! `loki emit`: sends one command.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::client::{Client, NewCommand, new_id};
use crate::duration::Time;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::outcome::Outcome;
use crate::output::Output;

/// The API takes less; this only bounds what is read before it says so.
const DATA_BYTES: u64 = 1 << 20;

const HELP: &str = "\
Examples:
  loki emit node.create --data '{\"path\":\"/acme/shop\",\"parents\":true}' --wait
  loki emit server.register --data @web01.json --wait=30s -o json
  jq -n '{server:\"web01\",state:\"offline\"}' | loki emit server.state --data - --id deploy-4711-1

Without `--wait` it ends as soon as the command is in the log. With it, it ends with the outcome: exit code 1 when the command is \
rejected, 124 when there is no outcome in time. The same `--id` with the same data is answered with the first outcome for 24 hours, \
so a script may repeat itself.";

/// Send one command
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// Type of the command, such as `node.create`; /openapi.json and the folder schemas/ list them
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The command's data: JSON, `@FILE`, or `-` for standard input
    #[arg(short, long, value_name = "JSON")]
    data: String,
    /// Id by which a repetition is known, up to 64 characters; a new one when absent
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    sender: Sender,
    /// Not to be carried out after this time, such as `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

/// Who sends a command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sender {
    /// In whose name, as the audit tells it; `anonymous` when absent
    #[arg(long, env = "LOKI_ACTOR", value_name = "NAME")]
    pub(crate) actor: Option<String>,
}

/// Whether to wait for an outcome.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Wait {
    /// Wait for the outcome, 10 s unless said otherwise
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "10s")]
    wait: Option<Time>,
}

impl Wait {
    pub(crate) fn time(&self) -> Option<Duration> {
        self.wait.map(|time| time.0)
    }
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let data = read_data(&self.data)?;
        let id = self.id.unwrap_or_else(new_id);
        let (actor, expires) = (self.sender.actor.as_deref(), self.expires.as_deref());
        let command = NewCommand { id: &id, kind: &self.kind, actor, expires, data: &data };
        let outcome = session.client.emit(&command, self.wait.time()).await?;
        tell(&mut session.out, &outcome, self.wait.time())
    }
}

/// Sends a command that another one of this program's commands has made, with a new id unless one is given, and waits for its outcome.
pub(crate) async fn ask(
    client: &Client,
    actor: Option<&str>,
    id: Option<String>,
    kind: &str,
    data: &impl Serialize,
    wait: Duration,
) -> Result<Outcome, Failure> {
    let data = to_raw_value(data).map_err(|error| Failure::usage(format!("the command cannot be written: {error}")))?;
    let id = id.unwrap_or_else(new_id);
    Ok(client.emit(&NewCommand { id: &id, kind, actor, expires: None, data: &data }, Some(wait)).await?)
}

/// Prints an outcome, or that there is none yet.
pub(crate) fn tell(out: &mut Output, outcome: &Outcome, waited: Option<Duration>) -> Result<Exit, Failure> {
    match outcome.json().filter(|_| out.is_json()) {
        Some(json) => out.json(json)?,
        None => out.line(outcome)?,
    }
    match waited {
        Some(waited) if outcome.is_pending() => {
            let message = format!("no outcome within {}: the command stays in the log, do not send it with another id", Time(waited));
            Err(Failure::new(Exit::Timeout, message))
        }
        Some(_) => Ok(outcome.exit()),
        None => Ok(if outcome.is_pending() { Exit::Ok } else { outcome.exit() }),
    }
}

fn read_data(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = match argument {
        "-" => bounded(stdin(), "standard input")?,
        _ => match argument.strip_prefix('@') {
            Some(path) => {
                bounded(File::open(path).map_err(|error| Failure::usage(format!("`--data`: cannot read `{path}`: {error}")))?, path)?
            }
            None => argument.to_owned(),
        },
    };
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("`--data` is no JSON: {error}")))
}

fn bounded(source: impl std::io::Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    // one byte more than allowed shows the excess
    source
        .take(DATA_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("`--data`: cannot read `{name}`: {error}")))?;
    if text.len() as u64 > DATA_BYTES {
        return Err(Failure::usage(format!("`--data`: `{name}` has more than {DATA_BYTES} bytes")));
    }
    Ok(text)
}
