//! Where a moment of the past lies in the history.

use loki_domain::Stream;

use super::invalid;
use super::snapshot::Snapshot;
use crate::port::{Moment, ReadError, Resolved};
use crate::sql::{Row, Value};

/// Facts lie in the order of their commands, so that the last of them is found without looking at the others.
const LAST_FACT_OF: &str = "SELECT fact FROM entity_change WHERE command <= ? ORDER BY command DESC, fact DESC LIMIT 1";
const COMMAND_OF_FACT: &str = "SELECT command, fact FROM entity_change WHERE fact <= ? ORDER BY fact DESC LIMIT 1";
const LAST_COMMAND: &str = "SELECT command, at_ms FROM outcome WHERE command <= ? ORDER BY command DESC LIMIT 1";
const LAST_COMMAND_OF_OUTCOME: &str = "SELECT command, at_ms FROM outcome WHERE position <= ? ORDER BY command DESC LIMIT 1";
const LAST_COMMAND_AT: &str = "SELECT command, at_ms FROM outcome WHERE at_ms <= ? ORDER BY at_ms DESC, command DESC LIMIT 1";

/// The last command and the last fact up to this moment. A position that the store has not passed is not ready; nobody knows yet what a time to
/// come will bring, so that one is the end.
pub(super) async fn resolve(snapshot: &mut Snapshot, moment: Moment) -> Result<Resolved, ReadError> {
    let (by, value) = match moment {
        Moment::Time(at_ms) => (LAST_COMMAND_AT, Value::Int(at_ms)),
        Moment::Position(position) => {
            let offset = Value::offset(position.offset);
            match position.stream {
                Stream::Command => {
                    if furthest(snapshot, "SELECT MAX(command) FROM outcome").await?.is_none_or(|last| last < position.offset) {
                        return Err(snapshot.behind(position));
                    }
                    (LAST_COMMAND, offset)
                }
                Stream::Outcome => {
                    if snapshot.position() <= position.offset {
                        return Err(snapshot.behind(position));
                    }
                    (LAST_COMMAND_OF_OUTCOME, offset)
                }
                Stream::Fact => return resolve_fact(snapshot, position.offset).await,
                Stream::TaskLog => return Err(no_moment()),
            }
        }
    };
    let Some(row) = snapshot.first(by, vec![value]).await? else { return Ok(Resolved::default()) };
    let command = row.offset(0)?;
    let fact = last_fact_of(snapshot, command).await?;
    Ok(Resolved { command: Some(command), fact, at_ms: Some(row.int(1)?) })
}

/// What hooks print is no part of the history.
pub(super) fn no_moment() -> ReadError {
    invalid("position", "names a chunk of a task's log, which is no moment of the history: write `c17`, `f42` or `o8`")
}

async fn resolve_fact(snapshot: &mut Snapshot, fact: u64) -> Result<Resolved, ReadError> {
    if furthest(snapshot, "SELECT MAX(fact) FROM entity_change").await?.is_none_or(|last| last < fact) {
        return Err(snapshot.behind(loki_domain::Position::fact(fact)));
    }
    let Some(found) = snapshot.first(COMMAND_OF_FACT, vec![Value::offset(fact)]).await? else { return Ok(Resolved::default()) };
    let command = found.offset(0)?;
    let row = snapshot.first(LAST_COMMAND, vec![Value::offset(command)]).await?;
    let at_ms = row.map(|row| row.int(1)).transpose()?;
    Ok(Resolved { command: Some(command), fact: Some(found.offset(1)?), at_ms })
}

async fn last_fact_of(snapshot: &mut Snapshot, command: u64) -> Result<Option<u64>, ReadError> {
    let row = snapshot.first(LAST_FACT_OF, vec![Value::offset(command)]).await?;
    Ok(row.map(|row| row.offset(0)).transpose()?)
}

async fn furthest(snapshot: &mut Snapshot, sql: &'static str) -> Result<Option<u64>, ReadError> {
    let row: Option<Row> = snapshot.first(sql, vec![]).await?;
    Ok(row.map(|row| row.offset_or_null(0)).transpose()?.flatten())
}
