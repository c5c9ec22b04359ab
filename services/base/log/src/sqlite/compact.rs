//! Compaction by key, as Kafka's cleaner does it: of the records that are old enough the newest of each key stays, a removal stays for
//! `delete_retention_ms` after it was first cleaned, and the newest record of the partition is never touched.
//!
//! Everything below `clean_to` holds each key at most once, and `latest` says where. A step takes the next records from `clean_to` on, so its
//! cost is that of the new records and not of the whole partition.

use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::catalog::Part;
use super::sweep::Swept;
use super::time;
use crate::error::Result;
use crate::topic::TopicSpec;

/// Appends wait for one such step at most.
const ROWS: u64 = 1_000;

/// Kafka's default for `delete.retention.ms`.
const DELETE_RETENTION_MS: u64 = 24 * 60 * 60 * 1000;

/// Records from here on are not compacted: too young, or the newest.
pub(super) async fn limit(pool: &SqlitePool, part: &Part, spec: &TopicSpec, now_ms: i64) -> Result<u64> {
    let newest = part.bounds().end.saturating_sub(1);
    let lag_ms = spec.min_compaction_lag_ms.unwrap_or(0);
    if lag_ms == 0 {
        return Ok(newest);
    }
    let young = time::offset_at(pool, part, now_ms.saturating_sub_unsigned(lag_ms).saturating_add(1)).await?;
    Ok(young.unwrap_or(newest).min(newest))
}

pub(super) async fn step(connection: &mut SqliteConnection, part: &Part, limit: u64, now_ms: i64) -> sqlx::Result<Swept> {
    let mut sql = connection.begin_with("BEGIN IMMEDIATE").await?;
    let from: i64 = sqlx::query_scalar("SELECT clean_to FROM partition WHERE id = ?").bind(part.id).fetch_one(&mut *sql).await?;
    let from = from as u64;
    if from >= limit {
        return Ok(Swept::default());
    }
    let to = limit.min(from + ROWS);
    let (low, high) = (part.record(from), part.record(to));

    // Records without a key, from before the topic was compacted, have no successor and no name: Kafka discards them as well.
    let keyless =
        sqlx::query("DELETE FROM record WHERE id >= ? AND id < ? AND key IS NULL").bind(low).bind(high).execute(&mut *sql).await?;
    // Within the step, all but the last record of a key.
    let mut removed = keyless.rows_affected();
    removed += sqlx::query(
        "DELETE FROM record WHERE id >= ?1 AND id < ?2 \
         AND id NOT IN (SELECT max(id) FROM record WHERE id >= ?1 AND id < ?2 GROUP BY key)",
    )
    .bind(low)
    .bind(high)
    .execute(&mut *sql)
    .await?
    .rows_affected();
    // Before the step, the records that these replace. Whatever is not a row's own becomes unreachable with it.
    const REPLACED: &str =
        "SELECT l.record FROM record r CROSS JOIN latest l ON l.partition = ?3 AND l.key = r.key WHERE r.id >= ?1 AND r.id < ?2";
    for table in ["DELETE FROM removal WHERE record IN", "DELETE FROM record WHERE id IN"] {
        let affected = sqlx::query(sqlx::AssertSqlSafe(format!("{table} ({REPLACED})")))
            .bind(low)
            .bind(high)
            .bind(part.id)
            .execute(&mut *sql)
            .await?
            .rows_affected();
        if table.contains("FROM record") {
            removed += affected;
        }
    }
    sqlx::query(
        "INSERT INTO latest (partition, key, record) SELECT ?3, key, id FROM record WHERE id >= ?1 AND id < ?2 \
         ON CONFLICT (partition, key) DO UPDATE SET record = excluded.record",
    )
    .bind(low)
    .bind(high)
    .bind(part.id)
    .execute(&mut *sql)
    .await?;
    let expires_ms = now_ms.saturating_add_unsigned(part.spec().delete_retention_ms.unwrap_or(DELETE_RETENTION_MS));
    sqlx::query("INSERT INTO removal (record, expires_ms) SELECT id, ?3 FROM record WHERE id >= ?1 AND id < ?2 AND value IS NULL")
        .bind(low)
        .bind(high)
        .bind(expires_ms)
        .execute(&mut *sql)
        .await?;
    sqlx::query("UPDATE partition SET clean_to = ? WHERE id = ?").bind(to as i64).bind(part.id).execute(&mut *sql).await?;
    sql.commit().await?;
    Ok(Swept { records: removed, more: to < limit })
}

/// Removals that every reader had the time to see.
pub(super) async fn expire(connection: &mut SqliteConnection, part: &Part, now_ms: i64) -> sqlx::Result<Swept> {
    let mut sql = connection.begin_with("BEGIN IMMEDIATE").await?;
    let expired: Vec<i64> =
        sqlx::query_scalar("SELECT record FROM removal WHERE record >= ? AND record < ? AND expires_ms <= ? ORDER BY record LIMIT ?")
            .bind(part.record(0))
            .bind(part.record(part.bounds().end))
            .bind(now_ms)
            .bind(ROWS as i64)
            .fetch_all(&mut *sql)
            .await?;
    for record in &expired {
        sqlx::query("DELETE FROM latest WHERE partition = ? AND key = (SELECT key FROM record WHERE id = ?)")
            .bind(part.id)
            .bind(record)
            .execute(&mut *sql)
            .await?;
        sqlx::query("DELETE FROM record WHERE id = ?").bind(record).execute(&mut *sql).await?;
        sqlx::query("DELETE FROM removal WHERE record = ?").bind(record).execute(&mut *sql).await?;
    }
    sql.commit().await?;
    Ok(Swept { records: expired.len() as u64, more: expired.len() as u64 == ROWS })
}
