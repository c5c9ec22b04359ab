//! `loki dead`: records that could not be read, listed, shown, put back and dropped.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::emit::{self, Wait};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;
use crate::output::text::{printable, printable_lines};

const HELP: &str = "\
Examples:
  loki dead list
  loki dead show loki.commands/0/17/0
  loki dead replay loki.commands/0/17/0 --wait
  loki dead drop loki.commands/0/17/0 --yes

A record lands here when it is no JSON, of an unknown type, or against its schema. Replaying puts the original record into its topic once \
more: after an upgrade that understands it, for example. Its id was not taken, so it is decided anew. Dropping takes a letter away that \
nothing will ever understand; the original stays in its topic.";

/// Look into the dead letters, replay or drop them
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List them, oldest first
    List {
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        limit: u64,
    },
    /// Show one with its original value and headers
    Show {
        /// As the list tells it: topic/partition/offset/index
        id: String,
    },
    /// Put the original record into its topic again, and take the letter away
    Replay {
        /// As the list tells it
        id: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Take the letter away for good
    Drop {
        /// As the list tells it
        id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Deserialize)]
struct Letter {
    id: String,
    at: String,
    code: String,
    message: String,
    bytes: u64,
    value: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Replayed {
    position: String,
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::List { limit } => list(session, usize::try_from(limit).unwrap_or(usize::MAX)).await,
            Action::Show { id } => show(session, &id).await,
            Action::Replay { id, wait } => replay(session, &id, &wait).await,
            Action::Drop { id, yes } => drop_letter(session, &id, yes).await,
        }
    }
}

async fn list(session: &mut Session, limit: usize) -> Result<Exit, Failure> {
    let Session { client, out } = session;
    let request = client.get(&["v1", "dead"]);
    if out.is_json() {
        out.json(&client.list::<Box<RawValue>>(&request, limit).await?)?;
        return Ok(Exit::Ok);
    }
    let listed = client.list::<Letter>(&request, limit).await?;
    let mut table = Table::new(["ID", "AT", "BYTES", "CODE", "MESSAGE"]);
    for letter in listed.items {
        table.row([letter.id, letter.at, letter.bytes.to_string(), letter.code, letter.message]);
    }
    out.text(&table.render())?;
    if listed.next.is_some() {
        out.note("there are more: raise `--limit`");
    } else if listed.left_out {
        out.note("there are newer ones, too many to be listed: they follow once some of these were replayed or dropped");
    }
    Ok(Exit::Ok)
}

async fn show(session: &mut Session, id: &str) -> Result<Exit, Failure> {
    let answer = session.client.send(&session.client.get(&["v1", "dead", id])).await?;
    if session.out.is_json() {
        session.out.json(&answer.raw()?)?;
    } else {
        session.out.text(&render(&answer.json()?))?;
    }
    Ok(Exit::Ok)
}

fn render(letter: &Letter) -> String {
    let Letter { id, at, code, message, bytes, value, headers } = letter;
    let mut out = format!(
        "id       {}\nat       {}\nreason   {}\nbytes    {bytes}\n",
        printable(id),
        printable(at),
        printable(&format!("{code}: {message}"))
    );
    for (name, value) in headers.iter().flatten() {
        out.push_str(&format!("header   {}: {}\n", printable(name), printable(value)));
    }
    if let Some(value) = value {
        out.push_str(&format!("value\n{}\n", printable_lines(value)));
    }
    out
}

async fn replay(session: &mut Session, id: &str, wait: &Wait) -> Result<Exit, Failure> {
    let Session { client, out } = session;
    // not safe to repeat: a second one would append the record once more
    let answer = client.send(&client.request(Method::POST, &["v1", "dead", id, "replay"])).await?;
    let Replayed { position } = answer.json()?;
    match wait.time() {
        Some(time) => {
            let outcome = client.outcome(&position, time).await?;
            emit::tell(out, &outcome, Some(time))
        }
        None => {
            if out.is_json() {
                out.json(&answer.raw()?)?
            } else {
                out.line(format_args!("replayed at {}", printable(&position)))?
            }
            Ok(Exit::Ok)
        }
    }
}

async fn drop_letter(session: &mut Session, id: &str, yes: bool) -> Result<Exit, Failure> {
    let Session { client, out } = session;
    let request = client.request(Method::DELETE, &["v1", "dead", id]);
    if !out.confirms(yes, &format!("take the letter `{}` away for good?", printable(id)))? {
        return Ok(Exit::Ok);
    }
    let answer = client.send(&request).await?;
    if out.is_json() {
        out.json(&answer.raw()?)?;
    } else {
        out.line(format_args!("dropped {}", printable(id)))?;
    }
    Ok(Exit::Ok)
}
