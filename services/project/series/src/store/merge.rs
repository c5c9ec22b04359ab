//! The head becomes chunks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::codec::{self, Point};
use super::disk::{Id, chunk_key, window};
use super::{Frozen, Store, head, lock};
use crate::Error;

/// Chunks of one batch: some megabytes.
const BATCH: usize = 4_096;

impl Store {
    /// Moves the points that are in memory into chunks. Puts and questions go on meanwhile. It is done by itself when many have come; doing it
    /// before a store is closed makes opening it quicker.
    pub fn merge(&self) -> Result<(), Error> {
        let _one_at_a_time = lock(&self.inner.merging);
        let Some(frozen) = self.freeze() else { return Ok(()) };
        let disk = &self.inner.disk;
        let mut points = self.inner.chunk_points.load(Ordering::Acquire);
        let mut batch = disk.database.batch();
        for id in frozen.head.ids() {
            for run in frozen.head.sorted(id).chunk_by(|one, other| window(one.0) == window(other.0)) {
                let window = window(run[0].0);
                let before = self.chunk(id, window)?;
                let known = before.len();
                let chunk = head::overlay(before, run);
                points += (chunk.len() - known) as u64;
                batch.insert(&disk.chunks, chunk_key(id, window), codec::encode(&chunk));
            }
            if batch.len() >= BATCH {
                self.commit_chunks(batch, points)?;
                batch = disk.database.batch();
            }
        }
        self.commit_chunks(batch, points)?;
        // the journal is one file: what is durable after the chunks makes them durable too
        let mut done = disk.durable();
        for entry in disk.fresh.range(..frozen.until.to_be_bytes()) {
            done.remove(&disk.fresh, entry.key()?);
            if done.len() >= BATCH {
                done.commit()?;
                done = disk.durable();
            }
        }
        done.commit()?;
        lock(&self.inner.heads).frozen = None;
        Ok(())
    }

    /// Writes a batch that changes chunks, with how many points all chunks have then.
    pub(super) fn commit_chunks(&self, mut batch: fjall::OwnedWriteBatch, points: u64) -> Result<(), Error> {
        self.inner.disk.put_points(&mut batch, points);
        batch.commit()?;
        self.inner.chunk_points.store(points, Ordering::Release);
        Ok(())
    }

    /// The head that is to become chunks: the one that could not be merged the last time, or the open one.
    fn freeze(&self) -> Option<Frozen> {
        let writer = lock(&self.inner.writer);
        let mut heads = lock(&self.inner.heads);
        if heads.frozen.is_none() && !heads.open.is_empty() {
            let mut head = std::mem::take(&mut heads.open);
            head.sort();
            heads.frozen = Some(Frozen { head: Arc::new(head), until: writer.next_fresh });
        }
        heads.frozen.clone()
    }

    /// One chunk's points, none when there is no such chunk.
    pub(super) fn chunk(&self, id: Id, window: u32) -> Result<Vec<Point>, Error> {
        match self.inner.disk.chunks.get(chunk_key(id, window))? {
            None => Ok(Vec::new()),
            Some(bytes) => read_chunk(&bytes),
        }
    }
}

pub(super) fn read_chunk(bytes: &[u8]) -> Result<Vec<Point>, Error> {
    codec::decode(bytes).ok_or_else(|| Error::unreadable("a chunk"))
}
