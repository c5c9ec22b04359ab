//! Records on their way into the file.

use bytes::Bytes;
use sqlx::SqliteConnection;
use std::sync::LazyLock;

use super::catalog::Part;
use super::headers;
use crate::error::{Error, Result};
use crate::record::NewRecord;
use crate::topic::{Cleanup, Timestamp};

/// What a record costs besides its own bytes: roughly its columns and this process's bookkeeping.
const OVERHEAD: usize = 64;

/// A checked record that has no offset yet.
#[derive(Debug)]
pub(super) struct NewRow {
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Option<Vec<u8>>,
    timestamp_ms: Option<i64>,
}

/// A record with its place in the log.
#[derive(Debug)]
pub(super) struct Row {
    id: i64,
    timestamp_ms: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Option<Vec<u8>>,
}

/// Checks records against their topic; off the task that writes.
pub(super) fn check(part: &Part, records: Vec<NewRecord>) -> Result<(Vec<NewRow>, usize)> {
    let spec = part.spec();
    let limit = spec.max_message_bytes as usize;
    let mut total = 0;
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        if spec.cleanup == Cleanup::Compact && record.key.is_none() {
            return Err(Error::Invalid(format!("topic `{}` is compacted: each record needs a key", part.partition.topic)));
        }
        let headers = headers::encode(&record.headers);
        let bytes = OVERHEAD
            + record.key.as_ref().map_or(0, Bytes::len)
            + record.value.as_ref().map_or(0, Bytes::len)
            + headers.as_ref().map_or(0, Vec::len);
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit });
        }
        total += bytes;
        let timestamp_ms = match spec.timestamp {
            Timestamp::Append => None,
            Timestamp::Create => record.timestamp_ms,
        };
        rows.push(NewRow { key: record.key, value: record.value, headers, timestamp_ms });
    }
    Ok((rows, total))
}

impl NewRow {
    /// `earlier_ms`: the greatest time before it. The time of an append never goes back, though the clock may.
    pub(super) fn place(self, id: i64, now_ms: i64, earlier_ms: i64) -> Row {
        let timestamp_ms = self.timestamp_ms.unwrap_or_else(|| now_ms.max(earlier_ms));
        Row { id, timestamp_ms, key: self.key, value: self.value, headers: self.headers }
    }
}

impl Row {
    pub(super) fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    pub(super) fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + self.headers.as_ref().map_or(0, Vec::len)
    }
}

const MANY: usize = 64;
const SOME: usize = 8;
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert(MANY));
static INSERT_SOME: LazyLock<String> = LazyLock::new(|| insert(SOME));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert(1));

/// Writes rows with three prepared statements, of 64, 8 and 1 rows each.
pub(super) async fn write(connection: &mut SqliteConnection, rows: &[Row]) -> sqlx::Result<()> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (statement, count) = match rest.len() {
            MANY.. => (INSERT_MANY.as_str(), MANY),
            SOME.. => (INSERT_SOME.as_str(), SOME),
            _ => (INSERT_ONE.as_str(), 1),
        };
        let (now, later) = rest.split_at(count);
        let mut query = sqlx::query(statement);
        for row in now {
            query = query
                .bind(row.id)
                .bind(row.timestamp_ms)
                .bind(row.key.as_ref().map(|bytes| bytes.to_vec()))
                .bind(row.value.as_ref().map(|bytes| bytes.to_vec()))
                .bind(row.headers.clone());
        }
        query.execute(&mut *connection).await?;
        rest = later;
    }
    Ok(())
}

fn insert(rows: usize) -> String {
    let values = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    format!("INSERT INTO record (id, timestamp_ms, key, value, headers) VALUES {values}")
}
