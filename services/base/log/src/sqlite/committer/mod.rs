//! The one task that writes: it takes what is queued, commits it in one SQL transaction, then answers everybody.

mod file;
mod writers;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use loki_runtime::task;
use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::batch::{Batch, Tail};
use super::catalog::{Catalog, Part};
use super::lock::DirectoryLock;
use super::options::Options;
use super::request::{Request, WriterId};
use super::transaction::Writer;
use super::{fault, schema};
use crate::error::{Error, Result};

pub(super) struct Committer {
    path: PathBuf,
    options: Options,
    catalog: Arc<Catalog>,
    requests: mpsc::Receiver<Request>,
    /// Taken from the queue, to be served before anything newer.
    ready: VecDeque<Request>,
    /// Wait until a transaction lets go of their partition.
    waiting: VecDeque<Request>,
    connection: Option<SqliteConnection>,
    tails: HashMap<i64, Tail>,
    /// Which writer's transaction holds a partition.
    holders: HashMap<i64, WriterId>,
    writers: HashMap<Arc<str>, Writer>,
    /// The number of the last batch.
    number: i64,
    /// A batch of which nobody knows whether it is in the file, until the file can be read again.
    unsure: Option<Unsure>,
    _lock: DirectoryLock,
}

struct Unsure {
    tails: Vec<(Arc<Part>, Tail)>,
    writers: Vec<WriterId>,
}

impl Committer {
    pub(super) async fn new(
        path: PathBuf,
        options: Options,
        catalog: Arc<Catalog>,
        requests: mpsc::Receiver<Request>,
        lock: DirectoryLock,
    ) -> Result<Self> {
        let mut connection =
            schema::connect(&path, options.max_file_bytes, options.durability).await.map_err(|error| fault::at_open(&path, error))?;
        schema::prepare(&mut connection, &path).await?;
        catalog.load(&mut connection).await?;
        let mut committer = Self {
            path,
            options,
            catalog,
            requests,
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            connection: Some(connection),
            tails: HashMap::new(),
            holders: HashMap::new(),
            writers: HashMap::new(),
            number: 0,
            unsure: None,
            _lock: lock,
        };
        committer.load().await?;
        Ok(committer)
    }

    /// Ends with `Request::Close`, or when nobody can ask any more.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.next().await {
            let mut batch = Batch::default();
            let mut request = Some(first);
            while let Some(current) = request {
                if let Request::Close { reply } = current {
                    self.flush(&mut batch).await;
                    self.close().await;
                    // The directory is free before its owner is told.
                    drop(self);
                    let _gone = reply.send(());
                    return;
                }
                self.serve(current, &mut batch).await;
                request = if batch.is_full() { None } else { self.ready.pop_front().or_else(|| self.requests.try_recv().ok()) };
            }
            self.flush(&mut batch).await;
        }
        self.close().await;
    }

    /// The next request; meanwhile ends transactions that are idle for too long.
    async fn next(&mut self) -> Option<Request> {
        loop {
            self.expire_idle();
            if let Some(request) = self.ready.pop_front() {
                return Some(request);
            }
            match self.idle_left() {
                None => return self.requests.recv().await,
                Some(left) => {
                    if let Some(request) = task::timeout(left, self.requests.recv()).await {
                        return request;
                    }
                }
            }
        }
    }

    async fn serve(&mut self, request: Request, batch: &mut Batch) {
        if self.must_wait(&request) {
            self.waiting.push_back(request);
            return;
        }
        match request {
            Request::Append { part, rows, reply, permit } => match self.tail(&part).await {
                Ok(tail) => batch.append(&part, tail, rows, self.options.clock.now_ms(), reply, permit),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::CommitPosition { consumed, reply } => {
                if consumed.membership.holds() {
                    batch.commit_position(consumed, reply);
                } else {
                    drop(reply.send(Err(Error::Invalid("only the member that holds a partition may commit its position".into()))));
                }
            }
            Request::OpenWriter { name, reply } => {
                self.flush(batch).await;
                drop(reply.send(self.open_writer(name).await));
            }
            Request::AppendInTransaction { writer, part, rows, bytes, reply } => {
                if batch.touches(&part) {
                    // Offsets are promised at once, so what lies before them must be in the file.
                    self.flush(batch).await;
                }
                drop(reply.send(self.append_in_transaction(writer, &part, rows, bytes).await));
            }
            Request::Commit { writer, consumed, reply } => self.commit(writer, consumed, reply, batch).await,
            Request::Abort { writer, reply } => drop(reply.send(self.abort(&writer).await)),
            Request::StoreTopics { specs, reply } => {
                self.flush(batch).await;
                drop(reply.send(self.store_topics(&specs).await));
            }
            Request::Sweep { step, reply } => {
                self.flush(batch).await;
                drop(reply.send(self.sweep(&step).await));
            }
            Request::Close { reply } => drop(reply.send(())),
        }
    }
}
