//! Whether a document is one to carry out: signed, for this host, in time, and not one that was overtaken.

use std::io;

use loki_domain::Signature;
use loki_wire::task::{self as wire, Document};

use crate::config::Config;
use crate::error::Refused;
use crate::journal::{self, Progress};
use crate::layout::Layout;
use crate::task::{Outcome, Task};

/// What becomes of a document that is not refused.
#[derive(Debug)]
pub enum Accepted {
    /// It is to be carried out, from the beginning or from where it was.
    Open(Task),
    /// It was, and this came of it: nobody may have been told.
    Ended(Outcome),
}

pub(crate) fn accept(config: &Config, layout: &Layout, text: &str, signature: &Signature, now_ms: i64) -> Result<Accepted, Refused> {
    let read = wire::read(text.as_bytes(), signature, &config.keys).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let document = read.ok_or(Refused::Forged)?;
    if document.server != config.server.to_string() {
        return Err(Refused::NotOurs { server: document.server, this: config.server.to_string() });
    }
    let task = Task::read(document.clone(), now_ms)?;
    let failed = |source: io::Error| Refused::Journal { path: layout.run(task.run), source };

    let replayed = |why: String| Refused::Replayed { run: document.run.clone(), attempt: document.attempt, why };
    let newest = journal::attempts(&layout.run(task.run)).map_err(failed)?.last().copied();
    if let Some(newest) = newest.filter(|newest| *newest > task.attempt) {
        return Err(replayed(format!("is older than attempt {newest}, which this host has")));
    }
    let known = journal::document(&layout.attempt(task.run, task.attempt)).map_err(failed)?;
    if known.as_ref().is_some_and(|known| !is_same(known, &document)) {
        return Err(replayed("is known to this host with another content".to_owned()));
    }
    let progress = Progress::read(&layout.attempt(task.run, task.attempt)).map_err(failed)?;
    match progress {
        Some(progress) => {
            if let Some(outcome) = progress.outcome() {
                return Ok(Accepted::Ended(outcome.clone()));
            }
        }
        None => {
            check_time(&task, now_ms)?;
            // from now on a later attempt is known, and an earlier one is refused
            journal::keep(layout, task.run, &document).map_err(failed)?;
        }
    }
    Ok(Accepted::Open(task))
}

/// Whoever is told the same anew is told with a later end.
fn is_same(known: &Document, document: &Document) -> bool {
    *known == Document { expires_ms: known.expires_ms, ..document.clone() }
}

fn check_time(task: &Task, now_ms: i64) -> Result<(), Refused> {
    match now_ms >= task.expires_ms {
        true => Err(Refused::Expired { ago_ms: now_ms.saturating_sub(task.expires_ms) }),
        false => Ok(()),
    }
}
