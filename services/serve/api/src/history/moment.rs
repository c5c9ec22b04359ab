//! A moment in the past: a position or a time.

use std::time::Duration;

use loki_domain::{Position, Stream};
use loki_log::{Bounds, Log, Partition};
use loki_mysql::port::Moment;
use loki_runtime::task;

use crate::App;
use crate::problem::{Problem, Result};
use crate::wait;

/// What lies this far before the end of the facts has facts behind it, which the history gets to know of.
const NEAR: u64 = 100_000;
/// How far before a position the last fact is looked for at first: a transaction's mark lies between them, and more only where transactions
/// were aborted.
const WINDOW: u64 = 16;
const READ_MAX: usize = 1_000;
const READ_WAIT: Duration = Duration::from_millis(500);
/// How long the log may take to tell. The history is asked all the same.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// `c17`, `f42`, `o8` or an RFC 3339 time.
pub(crate) fn read(field: &str, text: &str) -> Result<Moment> {
    if let Ok(position) = text.parse::<Position>() {
        return Ok(Moment::Position(position));
    }
    loki_wire::envelope::read_time(text).map(Moment::Time).map_err(|_| {
        Problem::bad_parameter(
            field,
            format!("`{field}` must be a position such as `c17` or a time such as `2026-01-31T12:00:00Z`, not `{}`", text.escape_default()),
        )
    })
}

/// Waits until the history can tell where these moments lie. Of a position it says itself that it has not passed it. Of a time it cannot: what was
/// decided by then may be on its way, so that it must have passed all that is known to be decided.
pub(crate) async fn told(app: &App, moments: impl IntoIterator<Item = Moment>) -> Result<()> {
    if moments.into_iter().all(|moment| matches!(moment, Moment::Position(_))) {
        return Ok(());
    }
    up_to_now(app).await
}

/// Waits until the history has passed all that is known to be decided.
pub(crate) async fn up_to_now(app: &App) -> Result<()> {
    if !app.tail.has_reached_end() {
        return Err(Problem::not_ready("the outcomes are still being read: what was decided is not known yet"));
    }
    match app.tail.decided().checked_sub(1) {
        Some(last) => wait::unless_stopping(app, app.history.wait(Position::command(last), app.config.wait_max)).await,
        None => Ok(()),
    }
}

/// The same moment, as the history knows it. Stores of facts count what is no fact at the end of the log (marks of transactions, and what was
/// aborted), and so does `Loki-Position`; no outcome tells of it, so that the history would never have passed it.
pub(crate) async fn settled(app: &App, moment: Moment) -> Moment {
    let Moment::Position(Position { stream: Stream::Fact, offset }) = moment else { return moment };
    match task::timeout(LOOK_MAX, last_fact(&*app.log, &Partition::only(&app.facts), offset)).await {
        Some(Ok(Some(last))) => Moment::Position(Position::fact(last)),
        Some(Ok(None) | Err(_)) | None => moment,
    }
}

/// The last fact before an offset behind which there is none; `None` when there is one at it or behind it, or the log does not go so far.
async fn last_fact(log: &dyn Log, facts: &Partition, at: u64) -> loki_log::Result<Option<u64>> {
    let Bounds { start, end } = log.bounds(facts).await?;
    if at >= end || end - at > NEAR {
        return Ok(None);
    }
    let mut window = WINDOW;
    loop {
        let from = at.saturating_sub(window).max(start);
        let mut reader = log.frugal_reader(facts, from).await?;
        let mut last = None;
        loop {
            let batch = reader.read(READ_MAX, READ_WAIT).await?;
            last = batch.records.last().map(|record| record.offset).or(last);
            if last.is_some_and(|last| last >= at) {
                return Ok(None);
            }
            if batch.at_end || batch.position >= end {
                break;
            }
        }
        if last.is_some() || from == start {
            return Ok(last);
        }
        window = window.saturating_mul(64);
    }
}

#[cfg(test)]
mod tests {
    use loki_log::{NewRecord, Topic};
    use loki_runner::testing::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn behind_the_last_fact_lie_marks_only() {
        let facts = Partition::only(&Topic::new("facts"));
        for log in [MemoryLog::simple(false), MemoryLog::simple(true)] {
            let last = async |at| last_fact(&log, &facts, at).await.unwrap();
            assert_eq!(last(0).await, None);
            // facts at 0 and 1, a mark at 2
            log.write(&facts, vec![NewRecord::default(), NewRecord::default()], true);
            assert_eq!((last(0).await, last(1).await, last(2).await, last(3).await), (None, None, Some(1), None));
            // transactions that were aborted
            for _ in 0..3_000 {
                log.write(&facts, vec![], true);
            }
            assert_eq!((last(1).await, last(2).await, last(3_002).await, last(3_003).await), (None, Some(1), Some(1), None));
            // one more fact, so that all before it is passed once that is
            log.write(&facts, vec![NewRecord::default()], true);
            assert_eq!((last(2).await, last(3_003).await, last(3_004).await), (None, None, Some(3_003)));
        }
    }
}
