//! From a time to an offset.

use sqlx::SqlitePool;

use super::catalog::{self, Part};
use super::fault;
use crate::error::Result;

/// The first kept record at or after this time. Records before a mark are all older than the mark says, so the search begins at the last
/// mark that is older than the time, and reads about a thousand records whatever the log's size.
pub(super) async fn offset_at(pool: &SqlitePool, part: &Part, timestamp_ms: i64) -> Result<Option<u64>> {
    let bounds = part.bounds();
    let mark: Option<i64> = sqlx::query_scalar(
        "SELECT position FROM time_mark WHERE partition = ? AND max_timestamp_ms < ? ORDER BY max_timestamp_ms DESC, position DESC LIMIT 1",
    )
    .bind(part.id)
    .bind(timestamp_ms)
    .fetch_optional(pool)
    .await
    .map_err(fault::classify)?;
    let from = mark.map_or(0, |position| position as u64).max(bounds.start);
    let found: Option<i64> = sqlx::query_scalar("SELECT id FROM record WHERE id >= ? AND id < ? AND timestamp_ms >= ? ORDER BY id LIMIT 1")
        .bind(part.record(from))
        .bind(part.record(bounds.end))
        .bind(timestamp_ms)
        .fetch_optional(pool)
        .await
        .map_err(fault::classify)?;
    Ok(found.map(catalog::offset))
}
