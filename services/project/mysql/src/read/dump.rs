//! Canonical dumps, a page of rows at a time.
//!
//! Each row is made again from what it says of itself (its JSON) and compared: a column that differs would answer questions wrongly although
//! the JSON is right.

use async_trait::async_trait;
use bytes::Bytes;
use loki_domain::Kind;
use loki_runner::Stored;
use loki_runner::projection::{PlacedChunk, PlacedOutcome};
use loki_wire::fact::v1::{read_entity, read_key};

use crate::port::{Dump, ReadError};
use crate::sql::{Connection, Fault, Row, Value};
use crate::tables::{
    BATCH, DOMAIN, ENTITY_CHANGE, MEMBERSHIP, MOUNT, NODE, OUTCOME, PACKAGE, RUN, SERVER, TASK, TASK_LOG, TEMPLATE, TOKEN, Table,
};
use crate::write::{change_line, chunk_row, entity_row, outcome_line, outcome_row, state_line, task_log_line};

/// Rows read at once: few enough for the largest ones.
const ROWS: i64 = 500;

/// What outcomes are kept as.
const OUTCOME_SCHEMA: &[u8] = b"outcome.command.v1";

/// A table of a dump: how its rows become lines.
pub(super) struct Part {
    table: &'static Table,
    line: fn(&[Value]) -> Result<Line, Fault>,
}

struct Line {
    text: String,
    /// The row as its JSON says that it should be; `None`: all of it is in the text.
    expected: Option<Vec<Value>>,
}

/// In the order of the lines' keys.
pub(super) static STATE: [Part; 10] = [
    Part { table: &BATCH, line: |row| read_entity_row(Kind::Batch, row) },
    Part { table: &MEMBERSHIP, line: |row| read_entity_row(Kind::Membership, row) },
    Part { table: &MOUNT, line: |row| read_entity_row(Kind::Mount, row) },
    Part { table: &NODE, line: |row| read_entity_row(Kind::Node, row) },
    Part { table: &PACKAGE, line: |row| read_entity_row(Kind::Package, row) },
    Part { table: &RUN, line: |row| read_entity_row(Kind::Run, row) },
    Part { table: &SERVER, line: |row| read_entity_row(Kind::Server, row) },
    Part { table: &TASK, line: |row| read_entity_row(Kind::Task, row) },
    Part { table: &TEMPLATE, line: |row| read_entity_row(Kind::Template, row) },
    Part { table: &TOKEN, line: |row| read_entity_row(Kind::Token, row) },
];
pub(super) static CDN_SYSTEM: [Part; 2] = [
    Part { table: &DOMAIN, line: |row| read_entity_row(Kind::Domain, row) },
    Part { table: &NODE, line: |row| read_entity_row(Kind::Node, row) },
];
pub(super) static HISTORY: [Part; 2] = [Part { table: &ENTITY_CHANGE, line: read_change }, Part { table: &OUTCOME, line: read_outcome }];

pub(super) static TASK_LOGS: [Part; 1] = [Part { table: &TASK_LOG, line: read_chunk }];

/// A dump under way. Dropping it early closes its connection.
pub(super) struct Lines {
    connection: Connection,
    stored: Stored,
    parts: &'static [Part],
    /// The last key of the first part's table that was given.
    after: Option<Value>,
}

impl Lines {
    pub(super) fn new(connection: Connection, stored: Stored, parts: &'static [Part]) -> Self {
        Self { connection, stored, parts, after: None }
    }

    async fn page(&mut self) -> Result<Vec<String>, ReadError> {
        while let Some(part) = self.parts.first() {
            let rows = self.rows(part.table).await?;
            if let Some(last) = rows.last() {
                self.after = Some(last[0].clone());
                return Ok(rows.iter().map(|row| write(part, row)).collect::<Result<_, _>>()?);
            }
            self.parts = &self.parts[1..];
            self.after = None;
            if self.parts.is_empty() {
                self.connection.commit().await?;
            }
        }
        Ok(Vec::new())
    }

    async fn rows(&mut self, table: &Table) -> Result<Vec<Vec<Value>>, Fault> {
        let (id, columns) = (table.columns[0], table.columns.join(", "));
        let mut values = Vec::new();
        let after = match &self.after {
            Some(after) => {
                values.push(after.clone());
                format!("WHERE {id} > ? ")
            }
            None => String::new(),
        };
        values.push(Value::Int(ROWS));
        let rows = self.connection.query(format!("SELECT {columns} FROM {} {after}ORDER BY {id} LIMIT ?", table.name), values).await?;
        rows.iter().map(|row| read(table, row)).collect()
    }
}

#[async_trait]
impl Dump for Lines {
    fn stored(&self) -> Stored {
        self.stored
    }

    async fn next(&mut self) -> Result<Vec<String>, ReadError> {
        self.page().await
    }
}

/// Columns that hold numbers; all others hold texts.
const NUMBERS: [&str; 12] =
    ["fact", "command", "position", "at_ms", "duplicate_of", "after_fact", "changes", "number", "begun_ms", "attempt", "begins", "size"];

fn read(table: &Table, row: &Row) -> Result<Vec<Value>, Fault> {
    let column = |(i, name): (usize, &&str)| {
        Ok(if NUMBERS.contains(name) {
            row.int_or_null(i)?.map_or(Value::Null, Value::Int)
        } else {
            Value::text_or_null(row.text_or_null(i)?)
        })
    };
    table.columns.iter().enumerate().map(column).collect()
}

fn write(part: &Part, row: &[Value]) -> Result<String, Fault> {
    let Line { text, expected } = (part.line)(row)?;
    let differing: Vec<&str> = match &expected {
        Some(expected) => (0..row.len()).filter(|i| expected.get(*i) != row.get(*i)).map(|i| part.table.columns[i]).collect(),
        None => Vec::new(),
    };
    Ok(if differing.is_empty() { text } else { format!("{text} differs: {}", differing.join(", ")) })
}

fn read_entity_row(kind: Kind, row: &[Value]) -> Result<Line, Fault> {
    let key = format!("{kind}/{}", text(&row[0]));
    let (fact, json) = (number(&row[row.len() - 2]), text(&row[row.len() - 1]));
    let entity = read_entity(kind, json.as_bytes()).map_err(|error| unreadable(&key, &error))?;
    Ok(Line { text: state_line(&key, json), expected: entity_row(&entity, fact) })
}

fn read_outcome(row: &[Value]) -> Result<Line, Fault> {
    let (command, position, json) = (number(&row[0]), number(&row[1]), text(&row[row.len() - 1]));
    let value = Bytes::copy_from_slice(json.as_bytes());
    let headers = [("ce_dataschema".to_owned(), Bytes::from_static(OUTCOME_SCHEMA))];
    let outcome = loki_wire::outcome::read(Some(&value), &headers).map_err(|error| unreadable(&format!("outcome/{command}"), &error))?;
    let expected = outcome_row(&PlacedOutcome { offset: position, outcome });
    Ok(Line { text: outcome_line(command, position, json), expected: Some(expected) })
}

fn read_chunk(row: &[Value]) -> Result<Line, Fault> {
    let (position, at_ms, json) = (number(&row[0]), number(&row[row.len() - 2]) as i64, text(&row[row.len() - 1]));
    let chunk = super::task_logs::parse(json)?;
    let expected = chunk_row(&PlacedChunk { offset: position, at_ms, chunk });
    Ok(Line { text: task_log_line(position, at_ms, json), expected: Some(expected) })
}

fn read_change(row: &[Value]) -> Result<Line, Fault> {
    let (fact, command) = (number(&row[0]), number(&row[1]));
    let (kind, id) = (text(&row[2]), text(&row[3]));
    let at_ms = match row[4] {
        Value::Int(at_ms) => at_ms,
        Value::Null | Value::Text(_) => 0,
    };
    let json = match &row[5] {
        Value::Text(json) => Some(json.as_str()),
        Value::Null | Value::Int(_) => None,
    };
    let of = |error: &dyn std::fmt::Display| unreadable(&format!("change/{fact}/{kind}/{id}"), error);
    let kind: Kind = kind.parse().map_err(|error: loki_domain::Invalid| of(&error))?;
    let key = read_key(kind, id).map_err(|error| of(&error))?;
    Ok(Line { text: change_line(fact, &key, command, at_ms, json), expected: None })
}

fn unreadable(key: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault::Unusable(format!("the row of `{key}` cannot be read: {error}"))
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        Value::Null | Value::Int(_) => "",
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => *number as u64,
        Value::Null | Value::Text(_) => 0,
    }
}
