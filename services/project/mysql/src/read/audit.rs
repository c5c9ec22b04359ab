//! Outcomes: one, by id, and the audit.

use loki_domain::Stream;

use super::invalid;
use super::moment::{no_moment, resolve};
use super::snapshot::Snapshot;
use crate::port::{AuditFilter, Entry, Listed, Moment, Page, ReadError, StoredOutcome};
use crate::sql::{Fault, Row, Value};
use crate::write::{kind_text, read_kind};

/// In the order in which `read_entry` takes them; `json` may follow.
const COLUMNS: &str =
    "command, position, id, actor, type, at_ms, outcome, code, field, message, conflict, duplicate_of, after_fact, changes, touched";
const JSON: usize = 15;

/// MySQL takes texts that differ in spaces at their end as equal, so that the bytes are compared, too.
const IS_ID: &str = "id = ? AND HEX(id) = HEX(?)";
const IS_ACTOR: &str = "actor = ? AND HEX(actor) = HEX(?)";
const IS_TYPE: &str = "type = ? AND HEX(type) = HEX(?)";

/// How many outcomes of one id are given.
const OF_ID_MAX: i64 = 100;

pub(super) async fn outcome(snapshot: &mut Snapshot, command: u64) -> Result<Option<StoredOutcome>, ReadError> {
    let sql = format!("SELECT {COLUMNS}, json FROM outcome WHERE command = ?");
    let row = snapshot.first(sql, vec![Value::offset(command)]).await?;
    Ok(row.map(|row| read_outcome(&row)).transpose()?)
}

pub(super) async fn outcomes_by_id(snapshot: &mut Snapshot, id: &str, actor: Option<&str>) -> Result<Vec<StoredOutcome>, ReadError> {
    let mut filter = Where::default();
    filter.and(IS_ID, [Value::text(id), Value::text(id)]);
    if let Some(actor) = actor {
        filter.and(IS_ACTOR, [Value::text(actor), Value::text(actor)]);
    }
    let sql = format!("SELECT {COLUMNS}, json FROM outcome WHERE {} ORDER BY command DESC LIMIT ?", filter.sql);
    filter.values.push(Value::Int(OF_ID_MAX));
    let rows = snapshot.query(sql, filter.values).await?;
    Ok(rows.iter().map(read_outcome).collect::<Result<_, _>>()?)
}

pub(super) async fn audit(snapshot: &mut Snapshot, filter: &AuditFilter, page: &Page) -> Result<Listed<Entry>, ReadError> {
    let limit = page.bounded();
    let Some(mut wanted) = conditions(snapshot, filter, page).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let sql = format!("SELECT {COLUMNS} FROM outcome WHERE {} ORDER BY command DESC LIMIT ?", wanted.sql);
    wanted.values.push(Value::Int(limit as i64 + 1));
    let rows = snapshot.query(sql, wanted.values).await?;
    let mut items = rows.iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.command.to_string());
    Ok(Listed { items, next })
}

/// What the filter asks of an outcome; `None` when nothing can fit.
async fn conditions(snapshot: &mut Snapshot, filter: &AuditFilter, page: &Page) -> Result<Option<Where>, ReadError> {
    let mut wanted = Where::default();
    if let Some(cursor) = &page.cursor {
        let command: i64 = cursor.parse().map_err(|_| invalid("cursor", "is none that was given"))?;
        wanted.and("command < ?", [Value::Int(command)]);
    }
    if let Some(actor) = &filter.actor {
        wanted.and(IS_ACTOR, [Value::text(actor), Value::text(actor)]);
    }
    if let Some(command_type) = &filter.command_type {
        wanted.and(IS_TYPE, [Value::text(command_type), Value::text(command_type)]);
    }
    if let Some(result) = filter.result {
        wanted.and("outcome = ?", [Value::text(kind_text(result))]);
    }
    if let Some(key) = &filter.key {
        let values = [Value::text(key.kind().as_str()), Value::text(key.id())];
        wanted.and("command IN (SELECT command FROM entity_change WHERE kind = ? AND entity = ?)", values);
    }
    match filter.from {
        None => {}
        Some(Moment::Time(at_ms)) => wanted.and("at_ms >= ?", [Value::Int(at_ms)]),
        Some(Moment::Position(position)) => {
            let (sql, offset) = match position.stream {
                Stream::Command => ("command >= ?", position.offset),
                Stream::Outcome => ("position >= ?", position.offset),
                Stream::Fact => match first_command_from(snapshot, position.offset).await? {
                    Some(command) => ("command >= ?", command),
                    None => return Ok(None),
                },
                Stream::TaskLog => return Err(no_moment()),
            };
            wanted.and(sql, [Value::offset(offset)]);
        }
    }
    if let Some(to) = filter.to {
        match resolve(snapshot, to).await?.command {
            Some(command) => wanted.and("command <= ?", [Value::offset(command)]),
            None => return Ok(None),
        }
    }
    Ok(Some(wanted))
}

async fn first_command_from(snapshot: &mut Snapshot, fact: u64) -> Result<Option<u64>, ReadError> {
    let sql = "SELECT command FROM entity_change WHERE fact >= ? ORDER BY fact LIMIT 1";
    let row = snapshot.first(sql, vec![Value::offset(fact)]).await?;
    Ok(row.map(|row| row.offset(0)).transpose()?)
}

/// Conditions that must all hold, and their parameters.
struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Default for Where {
    fn default() -> Self {
        Self { sql: "1 = 1".to_owned(), values: Vec::new() }
    }
}

impl Where {
    fn and<const N: usize>(&mut self, sql: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }
}

fn read_outcome(row: &Row) -> Result<StoredOutcome, Fault> {
    Ok(StoredOutcome { entry: read_entry(row)?, json: row.text(JSON)? })
}

fn read_entry(row: &Row) -> Result<Entry, Fault> {
    let command = row.offset(0)?;
    let result = row.text(6)?;
    let touched = row.text(14)?;
    let keys = touched.split_whitespace().map(|key| {
        key.parse()
            .map_err(|error| Fault::Unusable(format!("the outcome of `c{command}` names the key `{}`: {error}", key.escape_default())))
    });
    Ok(Entry {
        command,
        position: row.offset(1)?,
        id: row.text(2)?,
        actor: row.text(3)?,
        command_type: row.text(4)?,
        at_ms: row.int(5)?,
        result: read_kind(&result).ok_or_else(|| Fault::Unusable(format!("`{}` is no outcome", result.escape_default())))?,
        code: row.text_or_null(7)?,
        field: row.text_or_null(8)?,
        message: row.text_or_null(9)?,
        conflict: row.text_or_null(10)?,
        duplicate_of: row.offset_or_null(11)?,
        after: row.offset_or_null(12)?,
        changes: row.offset(13)?,
        keys: keys.collect::<Result<_, _>>()?,
    })
}
