//! `loki verify`: compares every store with the log.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::operations::{Difference, Finding, Operations, Store};
use crate::output::Output;
use crate::output::text::printable;

const HELP: &str = "\
Examples:
  loki verify
  loki verify -o json | jq -r 'select(.difference) | .key'

Reads the log from its start and every store, history included, and tells each entry that differs: `missing` in the store, `extra`, or \
`different`. Exit code 1 when something differs, or when not every store was compared; `loki rebuild` mends what differs.";

/// Compare every store with the log
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {}

impl Options {
    pub(crate) async fn run(self, out: &mut Output, operations: &dyn Operations) -> Result<Exit, Failure> {
        // an answer that says nothing of a store is no proof, however well it ends: what compares them may have died in the middle
        let every = [Store::Mysql, Store::CdnSystem, Store::Zookeeper, Store::Opentsdb];
        let mut missing: BTreeSet<&str> = every.iter().flat_map(|store| store.projections()).copied().collect();
        let mut equal = true;
        let mut tell = |finding: Finding| {
            if let Finding::Compared { store, .. } = &finding {
                missing.remove(store.as_str());
            }
            equal &= matches!(finding, Finding::Compared { equal: true, .. });
            if out.is_json() { out.json(&finding) } else { out.text(&render(&finding)) }
        };
        operations.verify(&mut tell).await?;
        if missing.is_empty() {
            return Ok(if equal { Exit::Ok } else { Exit::Failed });
        }
        let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
        Err(Failure::new(Exit::Failed, format!("not compared to the end: {missing}: look into the server's log, and verify again")))
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
