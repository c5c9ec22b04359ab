//! Retention and compaction, in steps that are small enough to leave room for appends between them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use loki_runtime::{Shutdown, task};
use sqlx::SqliteConnection;

use super::catalog::Part;
use super::request::Request;
use super::{Shared, compact, retain, time};
use crate::error::Result;
use crate::metrics;
use crate::topic::Cleanup;

/// What the writing task does in one SQL transaction.
#[derive(Debug)]
pub(super) enum Step {
    /// Stores the new start. Readers learn it before the first record goes.
    MoveStart { part: Arc<Part>, start: u64 },
    /// Removes some records before the start.
    Trim { part: Arc<Part> },
    /// Compacts some records below `limit`.
    Compact { part: Arc<Part>, limit: u64, now_ms: i64 },
    /// Removes some removals that are old enough.
    Expire { part: Arc<Part>, now_ms: i64 },
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub records: u64,
    /// The step left something for another one.
    pub(super) more: bool,
}

pub(super) async fn apply(connection: &mut SqliteConnection, step: &Step) -> sqlx::Result<Swept> {
    match step {
        Step::MoveStart { part, start } => {
            retain::store_start(connection, part, *start).await?;
            part.move_start(*start);
            Ok(Swept::default())
        }
        Step::Trim { part } => retain::trim(connection, part).await,
        Step::Compact { part, limit, now_ms } => compact::step(connection, part, *limit, *now_ms).await,
        Step::Expire { part, now_ms } => compact::expire(connection, part, *now_ms).await,
    }
}

/// Sweeps everything once.
pub(super) async fn sweep(shared: &Shared, now_ms: i64) -> Result<Swept> {
    let mut total = 0;
    for part in shared.catalog.all_parts() {
        let spec = part.spec();
        match spec.cleanup {
            Cleanup::Delete => {
                let Some(retention_ms) = spec.retention_ms else { continue };
                let bounds = part.bounds();
                // The first record that is young enough; none: all of them are too old.
                let start =
                    time::offset_at(&shared.readers, &part, now_ms.saturating_sub_unsigned(retention_ms)).await?.unwrap_or(bounds.end);
                if start > bounds.start {
                    shared.ask(|reply| Request::Sweep { step: Step::MoveStart { part: part.clone(), start }, reply }).await?;
                }
                total += repeat(shared, || Step::Trim { part: part.clone() }).await?;
            }
            Cleanup::Compact => {
                let limit = compact::limit(&shared.readers, &part, &spec, now_ms).await?;
                total += repeat(shared, || Step::Compact { part: part.clone(), limit, now_ms }).await?;
                total += repeat(shared, || Step::Expire { part: part.clone(), now_ms }).await?;
            }
        }
    }
    Ok(Swept { records: total, more: false })
}

async fn repeat(shared: &Shared, step: impl Fn() -> Step) -> Result<u64> {
    let mut total = 0;
    loop {
        let swept = shared.ask(|reply| Request::Sweep { step: step(), reply }).await?;
        total += swept.records;
        metrics::swept(metrics::SQLITE, swept.records);
        if !swept.more {
            return Ok(total);
        }
    }
}

/// Sweeps now and then, until the log is closed or dropped.
pub(super) async fn every(period: Duration, closing: Shutdown, shared: Weak<Shared>) {
    while closing.unless(task::sleep(period)).await.is_some() {
        let Some(shared) = shared.upgrade() else { return };
        let now_ms = shared.clock.now_ms();
        match closing.unless(sweep(&shared, now_ms)).await {
            Some(Ok(swept)) if swept.records > 0 => tracing::debug!(records = swept.records, "old records removed"),
            Some(Err(error)) => tracing::warn!(%error, "old records could not be removed, trying again later"),
            _ => {}
        }
    }
}
