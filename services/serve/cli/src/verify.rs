//! `loki verify`: compares every store with the log.

use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::operations::{Difference, Finding, Operations};
use crate::output::Output;
use crate::output::text::printable;

const HELP: &str = "\
Examples:
  loki verify
  loki verify -o json | jq -r 'select(.difference) | .key'

Reads the log from its start and every store, history included, and tells each entry that differs: `missing` in the store, `extra`, or \
`different`. Exit code 1 when something differs; `loki rebuild` mends it.";

/// Compare every store with the log
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {}

impl Options {
    pub(crate) async fn run(self, out: &mut Output, operations: &dyn Operations) -> Result<Exit, Failure> {
        let mut stores = 0_usize;
        let mut differences = 0_usize;
        let mut tell = |finding: Finding| {
            match &finding {
                Finding::Compared { equal: true, .. } => stores += 1,
                Finding::Compared { .. } | Finding::Difference { .. } | Finding::Failed { .. } => differences += 1,
            }
            if out.is_json() { out.json(&finding) } else { out.text(&render(&finding)) }
        };
        operations.verify(&mut tell).await?;
        match (differences, stores) {
            // an answer that says nothing is no proof
            (0, 0) => Err(Failure::new(Exit::Failed, "no store was compared")),
            (0, _) => Ok(Exit::Ok),
            _ => Ok(Exit::Failed),
        }
    }
}

fn render(finding: &Finding) -> String {
    match finding {
        Finding::Compared { store, equal, entries } => {
            let verdict = if *equal { "equal" } else { "not equal" };
            format!("{}: {verdict}, {entries} entries\n", printable(store))
        }
        Finding::Failed { error } => format!("not compared: {}\n", printable(error)),
        Finding::Difference { store, difference, key, log, stored } => {
            let word = match difference {
                Difference::Missing => "missing",
                Difference::Extra => "extra",
                Difference::Different => "different",
            };
            let side = |name: &str, json: &Option<Box<RawValue>>| {
                json.as_ref().map(|json| format!("  {name:<7} {}\n", printable(json.get()))).unwrap_or_default()
            };
            format!("{}: {word} {}\n{}{}", printable(store), printable(key), side("log", log), side("stored", stored))
        }
    }
}
