//! Commands that are in the log and have no outcome yet: found by reading the log from the first undecided one.

use std::time::Duration;

use loki_log::{Partition, Record};
use loki_runtime::task;
use loki_wire::Envelope;

use crate::App;
use crate::problem::{Problem, Result};

/// How far behind the decider may be for a search by id.
const SEARCH_MAX: u64 = 20_000;

/// The newest undecided command with this id.
pub(super) async fn position(app: &App, id: &str, actor: Option<&str>, decided: u64) -> Result<Option<u64>> {
    let bounds = app.log.bounds(&Partition::only(&app.commands)).await?;
    let from = decided.max(bounds.start);
    if bounds.end.saturating_sub(from) > SEARCH_MAX {
        return Err(Problem::not_ready("too many commands wait for the decider to search them by id: ask by position"));
    }
    let mut found = None;
    read(app, from, bounds.end, |record| {
        let asked = Envelope::read(record.value.as_ref(), &record.headers);
        if asked.is_ok_and(|asked| asked.id.as_deref() == Some(id) && actor.is_none_or(|actor| asked.actor == actor)) {
            found = Some(record.offset);
        }
    })
    .await?;
    Ok(found)
}

/// The id of the command at this position; empty when it has none.
pub(super) async fn id(app: &App, command: u64) -> Result<String> {
    let mut found = String::new();
    read(app, command, command + 1, |record| {
        if record.offset == command {
            found = Envelope::read(record.value.as_ref(), &record.headers).ok().and_then(|asked| asked.id).unwrap_or_default();
        }
    })
    .await?;
    Ok(found)
}

async fn read(app: &App, from: u64, end: u64, mut each: impl FnMut(&Record)) -> Result<()> {
    if from >= end {
        return Ok(());
    }
    let reading = async {
        let mut reader = app.log.frugal_reader(&Partition::only(&app.commands), from).await?;
        while reader.position() < end {
            let max = usize::try_from(end - reader.position()).unwrap_or(usize::MAX).min(1000);
            let batch = reader.read(max, Duration::from_secs(1)).await?;
            batch.records.iter().for_each(&mut each);
        }
        Ok::<_, loki_log::Error>(())
    };
    match task::timeout(app.config.wait_max, reading).await {
        Some(done) => Ok(done?),
        None => Err(Problem::not_ready("the log did not answer in time")),
    }
}
