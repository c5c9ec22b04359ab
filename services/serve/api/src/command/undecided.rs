//! Commands that are in the log and have no outcome yet: found by reading the log from the first undecided one.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loki_log::{Partition, Record};
use loki_runtime::task;
use loki_wire::Envelope;

use crate::App;
use crate::problem::{Problem, Result};

/// How far behind the decider may be for a search by id.
const SEARCH_MAX: u64 = 20_000;
/// How long the log may take to be read; what callers may wait for, `api.wait_max`, can be far shorter.
const READ_WAIT: Duration = Duration::from_secs(10);
/// How many offsets are looked at to tell commands from transaction markers.
const COUNT_MAX: u64 = 1_000;

/// What was counted last: an idle log is not read again for each question.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<(Range<u64>, u64)>>);

/// How many commands have no outcome yet, as far as this process has seen. Between the last one that was decided and the end lie markers, too:
/// follow-ups are appended in transactions. Of many it is a bound, and no more than a few of them are markers.
pub(crate) async fn count(app: &App) -> Result<u64> {
    // before the end is asked for: what is decided meanwhile still lies within
    let decided = app.tail.decided();
    let bounds = app.log.bounds(&Partition::only(&app.commands)).await?;
    let range = decided.max(bounds.start)..bounds.end;
    let offsets = range.end.saturating_sub(range.start);
    if offsets == 0 || offsets > COUNT_MAX {
        return Ok(offsets);
    }
    if let Some(count) = app.undecided.of(&range) {
        return Ok(count);
    }
    let mut count = 0;
    read(app, range.start, range.end, |record| count += u64::from(range.contains(&record.offset))).await?;
    app.undecided.keep(range, count);
    Ok(count)
}

impl Counted {
    fn of(&self, range: &Range<u64>) -> Option<u64> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.as_ref().filter(|(counted, _)| counted == range).map(|(_, count)| *count)
    }

    fn keep(&self, range: Range<u64>, count: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((range, count));
    }
}

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

/// The id of the command at this position; empty when it has none. A transaction's marker is no command.
pub(super) async fn id(app: &App, command: u64) -> Result<String> {
    let mut found = None;
    read(app, command, command + 1, |record| {
        if record.offset == command {
            let asked = Envelope::read(record.value.as_ref(), &record.headers).ok();
            found = Some(asked.and_then(|asked| asked.id).unwrap_or_default());
        }
    })
    .await?;
    found.ok_or_else(|| Problem::not_found(format!("no command at c{command}")))
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
    match task::timeout(READ_WAIT, reading).await {
        Some(done) => Ok(done?),
        None => Err(Problem::not_ready("the log did not answer in time")),
    }
}
