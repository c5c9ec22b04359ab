//! `loki status`: how far every projection is.

use serde::Deserialize;

use crate::client::{Client, Error};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;

const HELP: &str = "\
Examples:
  loki status
  loki status -o json | jq '.projections[] | select(.state != \"live\")'

A projection is `live` when it can be read, `building` while it is filled anew, `empty` before anything was written, `unknown` when its \
store is away. Exit code 1 when one is not live. LAG counts the positions that it has yet to apply; LAST ERROR says why it cannot be read, or why its \
projector does not get on, and SINCE when.";

/// Tell how far every projection is
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    /// The commands' end.
    commands: String,
    undecided: u64,
    pub(crate) projections: Vec<Projection>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Projection {
    pub(crate) name: String,
    log: Option<String>,
    pub(crate) position: Option<String>,
    pub(crate) end: String,
    lag: Option<u64>,
    pub(crate) state: String,
    pub(crate) last_error: Option<String>,
    last_error_since: Option<String>,
}

impl Projection {
    pub(crate) fn is_live(&self) -> bool {
        self.state == "live"
    }
}

impl Client {
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        self.send(&self.get(&["v1", "status"])).await?.json()
    }
}

impl Options {
    pub(crate) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let answer = session.client.send(&session.client.get(&["v1", "status"])).await?;
        let status: Status = answer.json()?;
        if session.out.is_json() {
            session.out.json(&answer.raw()?)?;
        } else {
            session.out.text(&render(&status))?;
        }
        let live = status.projections.iter().all(Projection::is_live);
        Ok(if live { Exit::Ok } else { Exit::Failed })
    }
}

fn render(status: &Status) -> String {
    let mut table = Table::new(["PROJECTION", "STATE", "POSITION", "END", "LAG", "LOG", "SINCE", "LAST ERROR"]);
    for projection in &status.projections {
        let Projection { name, log, position, end, lag, state, last_error, last_error_since } = projection.clone();
        let text = |text: Option<String>| text.unwrap_or_default();
        let lag = text(lag.map(|lag| lag.to_string()));
        table.row([name, state, text(position), end, lag, text(log), text(last_error_since), text(last_error)]);
    }
    format!("{}commands end at {}, without an outcome: {}\n", table.render(), status.commands, status.undecided)
}
