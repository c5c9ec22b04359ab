//! The atomic step: rows and position in one transaction.
//!
//! The position comes first. Its row is the lock on which writers of one generation queue up, and a writer that finds another position there
//! has written nothing yet.

use loki_domain::LogId;
use loki_runner::{State, Target};

use super::position::ASKED;
use crate::metrics;
use crate::sql::{Connection, Fault, Value, delete, upsert};
use crate::tables::{Family, Table, shadow};
use crate::write::{Bounds, TableChanges};

/// Rows per statement: beyond a thousand nothing gets faster, and parameters (65,535 in MySQL, 32,766 in SQLite) run out.
const ROWS_MAX: usize = 1_024;
/// Bytes per statement: well below the smallest `max_allowed_packet` that is a server's default, 16 MiB. One row is at most 1 MiB.
const BYTES_MAX: usize = 4 << 20;

/// The part of a batch that is the same for all projections.
pub(super) struct Step {
    pub(super) log: LogId,
    pub(super) target: Target,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) state: State,
    pub(super) ended_ms: Option<i64>,
    /// It says that what is there is wrong.
    pub(super) gives_up: bool,
}

/// Applies the changes if the position is `from`; `false` when it is not, or there is none.
pub(super) async fn apply(connection: &mut Connection, family: &Family, step: &Step, changes: Vec<TableChanges>) -> Result<bool, Fault> {
    connection.begin_writing().await?;
    if !move_position(connection, family, step).await? {
        connection.roll_back().await?;
        return Ok(false);
    }
    for changes in changes {
        write(connection, step.target, changes).await?;
    }
    connection.commit().await?;
    Ok(true)
}

fn name(table: &str, target: Target) -> String {
    match target {
        Target::Main => table.to_owned(),
        Target::Shadow => shadow(table),
    }
}

async fn move_position(connection: &mut Connection, family: &Family, step: &Step) -> Result<bool, Fault> {
    let table = name(family.position, step.target);
    let mut values = vec![Value::offset(step.to), Value::text(step.state.as_str())];
    let ended = match step.ended_ms {
        Some(ended_ms) => {
            values.push(Value::Int(ended_ms));
            ", ended_ms = ?"
        }
        None => "",
    };
    values.extend([Value::offset(step.from), Value::text(step.log.to_string())]);
    let unless_asked = if step.gives_up { String::new() } else { format!(" AND state <> '{ASKED}'") };
    let sql = format!("UPDATE {table} SET position = ?, state = ?{ended} WHERE id = 1 AND position = ? AND log = ?{unless_asked}");
    Ok(connection.execute(sql, values).await? == 1)
}

async fn write(connection: &mut Connection, target: Target, changes: TableChanges) -> Result<(), Fault> {
    let TableChanges { table, upserts, deletes, bounds } = changes;
    let into = name(table.name, target);
    metrics::written(table.name, upserts.len(), deletes.len());
    let dialect = connection.dialect();

    let sizes: Vec<usize> = upserts.iter().map(|row| row.iter().map(Value::bytes).sum()).collect();
    let mut rows = upserts.into_iter();
    for count in chunks(&sizes) {
        let values: Vec<Value> = rows.by_ref().take(count).flatten().collect();
        connection.execute(upsert(dialect, &into, table.columns, count), values).await?;
    }
    let sizes = vec![1; deletes.len()];
    let mut keys = deletes.into_iter();
    for count in chunks(&sizes) {
        let values: Vec<Value> = keys.by_ref().take(count).collect();
        connection.execute(delete(&into, table.columns[0], count), values).await?;
    }
    if let Some(bounds) = bounds {
        bound(connection, table, &into, bounds).await?;
    }
    Ok(())
}

/// Deletes what is beyond its bounds.
async fn bound(connection: &mut Connection, table: &Table, into: &str, bounds: Bounds) -> Result<(), Fault> {
    let Bounds { from_ms, servers, size_max } = bounds;
    let mut gone = connection.execute(format!("DELETE FROM {into} WHERE at_ms < ?"), vec![Value::Int(from_ms)]).await?;
    let mut servers = servers.into_iter().map(Value::text);
    for count in chunks(&vec![1; servers.len()]) {
        let sql = format!(
            "SELECT server, MAX(position) FROM (SELECT server, position, SUM(size) OVER (PARTITION BY server ORDER BY position DESC) AS total \
             FROM {into} WHERE server IN ({})) AS totals WHERE total > ? GROUP BY server",
            vec!["?"; count].join(", ")
        );
        let values = servers.by_ref().take(count).chain([Value::Int(size_max)]).collect();
        for row in connection.query(sql, values).await? {
            let values = vec![Value::text(row.text(0)?), Value::Int(row.int(1)?)];
            gone += connection.execute(format!("DELETE FROM {into} WHERE server = ? AND position <= ?"), values).await?;
        }
    }
    metrics::written(table.name, 0, usize::try_from(gone).unwrap_or(usize::MAX));
    Ok(())
}

/// How many rows go into each statement: powers of two, so that few different statements have to be prepared.
fn chunks(sizes: &[usize]) -> Vec<usize> {
    let mut chunks = Vec::new();
    let mut rest = sizes;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(ROWS_MAX).take_while(|size| {
            bytes += **size;
            bytes <= BYTES_MAX
        });
        let fitting = fitting.count().max(1);
        let count = 1 << fitting.ilog2();
        chunks.push(count);
        rest = &rest[count..];
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_few_sizes_and_are_bounded() {
        assert_eq!(chunks(&[]), Vec::<usize>::new());
        assert_eq!(chunks(&[10; 1]), [1]);
        assert_eq!(chunks(&[10; 2_500]), [1_024, 1_024, 256, 128, 64, 4]);
        assert_eq!(chunks(&[BYTES_MAX / 3; 7]), [2, 2, 2, 1]);
        // a row that is too large for any bound still goes, alone
        assert_eq!(chunks(&[BYTES_MAX * 2, 1, 1]), [1, 2]);
    }
}
