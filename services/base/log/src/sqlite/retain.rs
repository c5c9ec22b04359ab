//! Retention of topics that delete by age: the start moves, then the records before it go.

use sqlx::{Connection, SqliteConnection};

use super::catalog::Part;
use super::sweep::Swept;

/// Appends wait for one such step at most.
const ROWS: i64 = 2_000;

pub(super) async fn store_start(connection: &mut SqliteConnection, part: &Part, start: u64) -> sqlx::Result<()> {
    sqlx::query("UPDATE partition SET start = max(start, ?) WHERE id = ?")
        .bind(start as i64)
        .bind(part.id)
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn trim(connection: &mut SqliteConnection, part: &Part) -> sqlx::Result<Swept> {
    let start = part.start();
    let mut sql = connection.begin_with("BEGIN IMMEDIATE").await?;
    let removed = sqlx::query("DELETE FROM record WHERE id IN (SELECT id FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)")
        .bind(part.record(0))
        .bind(part.record(start))
        .bind(ROWS)
        .execute(&mut *sql)
        .await?
        .rows_affected();
    sqlx::query("DELETE FROM time_mark WHERE partition = ? AND position < ?").bind(part.id).bind(start as i64).execute(&mut *sql).await?;
    sql.commit().await?;
    Ok(Swept { records: removed, more: removed == ROWS as u64 })
}
