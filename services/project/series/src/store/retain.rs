//! Dropping what is too old.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::disk::{chunk_key, window};
use super::{Entry, Store, codec, lock};
use crate::Error;

/// Chunks of one batch.
const BATCH: usize = 4_096;

impl Store {
    /// Drops the chunks that end before `oldest_ms`, and the names of series that have no point left. A point that is not in a chunk yet goes
    /// with a later call. Returns how many chunks were dropped.
    pub fn retain(&self, oldest_ms: i64) -> Result<u64, Error> {
        let _no_chunk_is_written = lock(&self.inner.merging);
        let entries: Vec<Arc<Entry>> = self.dictionary().entries().cloned().collect();
        let mut dropped = 0;
        let mut empty = Vec::new();
        for entry in entries {
            dropped += self.drop_chunks(&entry, oldest_ms)?;
            if !self.has_chunks(&entry) {
                empty.push(entry);
            }
        }
        self.drop_series(empty)?;
        Ok(dropped)
    }

    fn drop_chunks(&self, entry: &Entry, oldest_ms: i64) -> Result<u64, Error> {
        let disk = &self.inner.disk;
        let mut points = self.inner.chunk_points.load(Ordering::Acquire);
        let mut dropped = 0;
        let mut batch = disk.database.batch();
        for chunk in disk.chunks.range(chunk_key(entry.id, 0)..chunk_key(entry.id, window(oldest_ms))) {
            let (key, bytes) = chunk.into_inner()?;
            points = points.saturating_sub(codec::count(&bytes).unwrap_or(0));
            batch.remove(&disk.chunks, key);
            dropped += 1;
            if batch.len() >= BATCH {
                self.commit_chunks(batch, points)?;
                batch = disk.database.batch();
            }
        }
        if dropped > 0 {
            self.commit_chunks(batch, points)?;
            // a put that raises it in between would make a late point the newest
            let _no_point_is_put = lock(&self.inner.writer);
            entry.forget_newest();
        }
        Ok(dropped)
    }

    fn has_chunks(&self, entry: &Entry) -> bool {
        self.inner.disk.chunks.range(chunk_key(entry.id, 0)..=chunk_key(entry.id, u32::MAX)).next().is_some()
    }

    fn drop_series(&self, mut empty: Vec<Arc<Entry>>) -> Result<(), Error> {
        let _no_point_is_put = lock(&self.inner.writer);
        {
            let heads = lock(&self.inner.heads);
            let fresh = |entry: &Arc<Entry>| heads.open.has(entry.id) || heads.frozen.as_ref().is_some_and(|it| it.head.has(entry.id));
            empty.retain(|entry| !fresh(entry));
        }
        if empty.is_empty() {
            return Ok(());
        }
        let mut batch = self.inner.disk.durable();
        for entry in &empty {
            batch.remove(&self.inner.disk.series, entry.id.to_be_bytes());
        }
        batch.commit()?;
        self.inner.dictionary.write().unwrap_or_else(PoisonError::into_inner).remove(&empty);
        Ok(())
    }
}
