//! Points by series and time, on disk in one folder.
//!
//! A put is written as one value into `fresh` and fsynced; that is all that its caller waits for. Its points are also in memory, in the head,
//! where questions find them. When the head has grown it is frozen, a new one takes its place, and the frozen one is merged into chunks
//! ([`merge`]), after which what the puts wrote is removed. Merging what was merged changes nothing, so a crash at any moment loses nothing
//! and repeats nothing: the store reads `fresh` again when it is opened.
//!
//! Whoever reads looks into memory first and at the disk afterwards: what leaves memory in between is then on disk.
//!
//! Locks are taken in this order: `merging`, `writer`, `dictionary`, `heads`; no question holds one while it reads the disk, except where the
//! newest instant of a series is looked for the first time.

pub(crate) mod codec;
mod dictionary;
mod disk;
mod dump;
mod fresh;
mod head;
mod merge;
mod names;
mod put;
mod read;
mod retain;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

pub(crate) use self::codec::Point;
pub(crate) use self::dictionary::{Dictionary, Entry};
use self::disk::{Disk, Id};
pub use self::dump::Dump;
use self::head::Head;
pub(crate) use self::names::Names;
use crate::{Error, Options};

/// The store; clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Disk,
    options: Options,
    dictionary: RwLock<Dictionary>,
    /// Held by whoever changes what there is: a put, and the removal of series.
    writer: Mutex<Writer>,
    heads: Mutex<Heads>,
    /// Held by whoever changes chunks.
    merging: Mutex<()>,
    chunk_points: AtomicU64,
}

struct Writer {
    next_id: Id,
    next_fresh: u64,
}

#[derive(Default)]
struct Heads {
    open: Head,
    frozen: Option<Frozen>,
}

/// A head that becomes chunks.
#[derive(Clone)]
struct Frozen {
    head: Arc<Head>,
    /// What `fresh` has before this number is in this head, or in chunks already.
    until: u64,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// On disk, with journals and with what compaction will drop.
    pub bytes: u64,
    /// An instant that was put again and is not merged yet may be counted twice.
    pub points: u64,
    pub series: u64,
}

impl Store {
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        let disk = Disk::open(directory, &options)?;
        let mut dictionary = Dictionary::default();
        let mut next_id = 0;
        for entry in disk.series.iter() {
            let (key, written) = entry.into_inner()?;
            let id = key.first_chunk().map(|key| Id::from_be_bytes(*key)).ok_or_else(|| Error::unreadable("a series' number"))?;
            dictionary.add(id, dictionary::parse_series(&written)?, true);
            next_id = id + 1;
        }
        let mut open = Head::default();
        let mut next_fresh = 0;
        for entry in disk.fresh.iter() {
            let (key, points) = entry.into_inner()?;
            let number = key.first_chunk().map(|key| u64::from_be_bytes(*key)).ok_or_else(|| Error::unreadable("a put's number"))?;
            fresh::decode(&points, |id, point| open.push(id, point))?;
            next_fresh = number + 1;
        }
        let inner = Inner {
            chunk_points: AtomicU64::new(disk.points()?),
            disk,
            options,
            dictionary: RwLock::new(dictionary),
            writer: Mutex::new(Writer { next_id, next_fresh }),
            heads: Mutex::new(Heads { open, frozen: None }),
            merging: Mutex::new(()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn size(&self) -> Result<Size, Error> {
        let bytes = self.inner.disk.database.disk_space()?;
        let series = self.dictionary().len() as u64;
        let heads = lock(&self.inner.heads);
        let fresh = heads.open.len() + heads.frozen.as_ref().map_or(0, |frozen| frozen.head.len());
        Ok(Size { bytes, points: self.inner.chunk_points.load(Ordering::Acquire) + fresh as u64, series })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(crate) fn dictionary(&self) -> RwLockReadGuard<'_, Dictionary> {
        self.inner.dictionary.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A panic of another thread leaves nothing half done that a lock guards.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
