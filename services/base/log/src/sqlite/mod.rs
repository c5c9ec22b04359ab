//! The embedded log: one SQLite file, one process.
//!
//! How it keeps the promise of [`crate::port`]:
//!
//! - **Order and durability.** One task (`committer`) is the only one that writes. It takes everything that is queued, up to a bound, gives dense
//!   offsets, writes it in one SQL transaction (write-ahead log, `synchronous=FULL`) and only then answers: many callers share one sync
//!   of the disk, and what was acknowledged survives a crash ([`Durability`] says whose). Readers have connections of their own and see committed rows only.
//! - **Waking readers.** After each commit the partition's end is published through a watch channel. Nobody polls.
//! - **Transactions.** Until its commit a transaction lives in the task's memory. Its offsets are reserved: whoever else appends to the same
//!   partition waits, other partitions do not notice. Its commit, with the group's position, is part of an ordinary group commit. An
//!   abort writes nothing and gives the offsets back. One that is idle for ten seconds is aborted.
//! - **Fencing.** Opening a writer stores a higher epoch under its name; a call with a lower one is refused.
//! - **A write that fails** (disk full, I/O error) may or may not be in the file. Each batch stores its number, so a new connection tells, and
//!   nothing else is written before it has told. Callers get `Away`; a commit that had succeeded after all is answered so when called again.
//! - **Groups** live in memory, their positions in the file: a group's members are in this process, or nowhere.
//! - **One process.** A lock file beside it is locked; another process is told to talk to this one.
//!
//! Samples are many and each is worth little: they have a file of their own, and [`SqlitePair`] makes one log of the two.
//!
//! Compaction and retention free pages for new records; the file does not shrink.

mod batch;
mod catalog;
mod committer;
mod compact;
mod cursor;
mod fault;
mod group;
mod headers;
mod lock;
mod member;
mod options;
mod pair;
mod reader;
mod request;
mod retain;
mod row;
mod schema;
mod sweep;
mod time;
mod topics;
mod transaction;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use loki_runtime::{Clock, Shutdown, task};
use sqlx::{Row, SqlitePool};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::catalog::Catalog;
use self::committer::Committer;
use self::cursor::Cursor;
use self::group::Groups;
use self::lock::DirectoryLock;
use self::member::SqliteMember;
pub use self::options::{Durability, Options};
pub use self::pair::SqlitePair;
use self::reader::SqliteReader;
use self::request::{Reply, Request};
pub use self::sweep::Swept;
use self::writer::SqliteWriter;
use crate::error::{Error, Result};
use crate::plan;
use crate::port::{Log, Member, Reader, Writer};
use crate::record::{Bounds, Committed, NewRecord, Partition};
use crate::topic::{Topic, TopicChange, TopicSpec};

/// Requests that wait to be written; appends are bounded in bytes as well.
const QUEUE: usize = 1024;
/// In KiB, over all appends that wait.
const QUEUED_KIB: usize = 64 << 10;

/// An open embedded log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Arc<Catalog>,
    groups: Arc<Groups>,
    requests: mpsc::Sender<Request>,
    queued: Arc<Semaphore>,
    readers: SqlitePool,
    clock: Clock,
    closing: Shutdown,
}

impl SqliteLog {
    /// Opens or makes the log in a directory. `Fatal` when another process has it, or when the file is damaged or of another format.
    pub async fn open(options: Options) -> Result<Self> {
        let directory = &options.directory;
        std::fs::create_dir_all(directory)
            .map_err(|error| Error::Fatal(format!("cannot make the data directory `{}`: {error}", directory.display())))?;
        let lock = DirectoryLock::take(directory, options.name)?;
        let path = directory.join(format!("{}.db", options.name));
        let catalog = Arc::new(Catalog::default());
        let (requests, queue) = mpsc::channel(QUEUE);
        let committer = Committer::new(path.clone(), options.clone(), catalog.clone(), queue, lock).await?;
        let shared = Arc::new(Shared {
            catalog,
            groups: Arc::new(Groups::default()),
            requests,
            queued: Arc::new(Semaphore::new(QUEUED_KIB)),
            readers: schema::readers(&path, options.readers),
            clock: options.clock,
            closing: Shutdown::new(),
        });
        task::spawn("log.commit", committer.run());
        task::spawn("log.sweep", sweep::every(options.sweep_every, shared.closing.clone(), Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Writes what is queued and gives the directory back. Later calls, on clones as well, fail.
    pub async fn close(self) {
        self.shared.closing.begin();
        self.shared.readers.close().await;
        let (reply, done) = oneshot::channel();
        if self.shared.requests.send(Request::Close { reply }).await.is_ok() {
            let _closed = done.await;
        }
    }

    /// Retention and compaction, at once instead of when their time comes.
    pub async fn compact(&self, now_ms: i64) -> Result<Swept> {
        sweep::sweep(&self.shared, now_ms).await
    }
}

impl Shared {
    /// Asks the task that writes.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

#[async_trait]
impl Log for SqliteLog {
    async fn append(&self, partition: &Partition, records: Vec<NewRecord>) -> Result<Vec<u64>> {
        let part = self.shared.catalog.part(partition)?;
        let (rows, bytes) = row::check(&part, records)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let kib = (bytes / 1024 + 1).min(QUEUED_KIB) as u32;
        let permit = self.shared.queued.clone().acquire_many_owned(kib).await.map_err(|_| closed())?;
        self.shared.ask(|reply| Request::Append { part, rows, reply, permit }).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        Ok(self.shared.catalog.part(partition)?.bounds())
    }

    async fn offset_at(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<u64>> {
        let part = self.shared.catalog.part(partition)?;
        time::offset_at(&self.shared.readers, &part, timestamp_ms).await
    }

    async fn reader(&self, partition: &Partition, from: u64) -> Result<Box<dyn Reader>> {
        let part = self.shared.catalog.part(partition)?;
        Ok(Box::new(SqliteReader::new(Cursor::new(part, self.shared.readers.clone(), from))))
    }

    async fn member(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Member>> {
        let mut parts = Vec::new();
        for topic in topics {
            parts.extend(self.shared.catalog.parts(topic)?);
        }
        let membership = self.shared.groups.join(group, topics)?;
        Ok(Box::new(SqliteMember::new(self.shared.clone(), membership, parts)))
    }

    async fn writer(&self, id: &str) -> Result<Box<dyn Writer>> {
        let name = Arc::from(id);
        let writer = self.shared.ask(|reply| Request::OpenWriter { name, reply }).await?;
        Ok(Box::new(SqliteWriter::new(self.shared.clone(), writer)))
    }

    async fn committed(&self, group: &str, partition: &Partition) -> Result<Option<Committed>> {
        let part = self.shared.catalog.part(partition)?;
        let row = sqlx::query("SELECT position, note FROM committed WHERE consumers = ? AND partition = ?")
            .bind(group.to_owned())
            .bind(part.id)
            .fetch_optional(&self.shared.readers)
            .await
            .map_err(fault::classify)?;
        Ok(row.map(|row| Committed { position: row.get::<i64, _>("position") as u64, note: row.get("note") }))
    }

    async fn members(&self, group: &str) -> Result<Option<usize>> {
        Ok(self.shared.groups.size(group))
    }

    async fn reconcile_topics(&self, specs: &[TopicSpec], apply: bool) -> Result<Vec<TopicChange>> {
        let (changes, specs) = plan::plan(|topic| self.shared.catalog.spec(topic), specs)?;
        if apply && !specs.is_empty() {
            self.shared.ask(|reply| Request::StoreTopics { specs, reply }).await?;
        }
        Ok(changes)
    }
}

fn closed() -> Error {
    Error::Fatal("the log was closed".into())
}
