//! What lies on disk: four keyspaces, their keys, and how they are opened.
//!
//! `about` says the format and how many points the chunks hold; `series` has the name of each series by its number; `fresh` has what each put
//! brought, by a running number, until it is merged; `chunks` has the points by series and window of time. Numbers in keys have their highest
//! byte first, so that a series' windows lie next to each other in order.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{Error, Options};

/// The time that a chunk spans: OpenTSDB has an hour; two halve what keys and headers cost, and a chunk of 10 s points stays below 4 KiB.
pub(crate) const WINDOW_MS: i64 = 2 * 3_600 * 1_000;

const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"1";
const POINTS_KEY: &[u8] = b"points";

pub(super) struct Disk {
    pub(super) database: Database,
    pub(super) about: Keyspace,
    pub(super) series: Keyspace,
    pub(super) fresh: Keyspace,
    pub(super) chunks: Keyspace,
}

impl Disk {
    pub(super) fn open(directory: &Path, options: &Options) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|error| Error::Disk(format!("`{}`: {error}", directory.display())))?;
        let database = Database::builder(directory)
            .cache_size(options.cache_bytes)
            // the smallest that is allowed: journals are read when a store is opened
            .max_journaling_size(64 << 20)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |name: &str, memtable: u64| database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable));
        let disk = Self {
            about: keyspace("about", 1 << 20)?,
            series: keyspace("series", 4 << 20)?,
            fresh: keyspace("fresh", 32 << 20)?,
            chunks: keyspace("chunks", 16 << 20)?,
            database,
        };
        match disk.about.get(FORMAT_KEY)? {
            Some(format) if *format == *FORMAT => {}
            Some(_) => return Err(Error::unreadable("format")),
            None => {
                disk.about.insert(FORMAT_KEY, FORMAT)?;
                disk.database.persist(PersistMode::SyncAll)?;
            }
        }
        Ok(disk)
    }

    /// Changes that are durable together.
    pub(super) fn durable(&self) -> fjall::OwnedWriteBatch {
        self.database.batch().durability(Some(PersistMode::SyncAll))
    }

    /// How many points the chunks hold.
    pub(super) fn points(&self) -> Result<u64, Error> {
        match self.about.get(POINTS_KEY)? {
            None => Ok(0),
            Some(bytes) => bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(|| Error::unreadable("points")),
        }
    }

    pub(super) fn put_points(&self, batch: &mut fjall::OwnedWriteBatch, points: u64) {
        batch.insert(&self.about, POINTS_KEY, points.to_be_bytes());
    }
}

/// A series' number.
pub(crate) type Id = u32;

pub(super) fn window(at: i64) -> u32 {
    u32::try_from(at.max(0) / WINDOW_MS).unwrap_or(u32::MAX)
}

pub(super) fn window_start(window: u32) -> i64 {
    i64::from(window) * WINDOW_MS
}

pub(super) fn chunk_key(id: Id, window: u32) -> [u8; 8] {
    (u64::from(id) << 32 | u64::from(window)).to_be_bytes()
}

pub(super) fn read_chunk_key(key: &[u8]) -> Result<(Id, u32), Error> {
    let key = key.first_chunk().map(|key| u64::from_be_bytes(*key)).ok_or_else(|| Error::unreadable("a chunk's key"))?;
    Ok(((key >> 32) as Id, key as u32))
}
