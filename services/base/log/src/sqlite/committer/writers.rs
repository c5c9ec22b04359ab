//! Writers: their epochs, their open transactions, and who waits for whom.

use std::sync::Arc;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use super::Committer;
use crate::error::{Error, Result};
use crate::sqlite::batch::Batch;
use crate::sqlite::catalog::Part;
use crate::sqlite::request::{Consumed, Reply, Request, WriterId};
use crate::sqlite::row::NewRow;
use crate::sqlite::transaction::{State, Transaction, Writer};

impl Committer {
    /// The new epoch is in the file before its writer is told.
    pub(super) async fn open_writer(&mut self, name: Arc<str>) -> Result<WriterId> {
        let stored = sqlx::query_scalar(
            "INSERT INTO writer (name, epoch) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
        )
        .bind(name.to_string())
        .fetch_one(self.connection().await?)
        .await;
        let epoch: i64 = stored.map_err(|error| self.drop_connection(error))?;
        if let Some(earlier) = self.writers.get(&name) {
            self.release(&[WriterId { name: name.clone(), epoch: earlier.epoch }]);
        }
        self.writers.insert(name.clone(), Writer { epoch, state: State::Idle });
        Ok(WriterId { name, epoch })
    }

    pub(super) async fn append_in_transaction(
        &mut self,
        writer: WriterId,
        part: &Arc<Part>,
        rows: Vec<NewRow>,
        bytes: usize,
    ) -> Result<Vec<u64>> {
        let tail = self.tail(part).await?;
        let now_ms = self.options.clock.now_ms();
        let state = self.state(&writer)?;
        if matches!(state, State::Idle) {
            *state = State::Open(Transaction::begin());
        }
        let offsets = match state {
            State::Open(transaction) => {
                transaction.idle = Stopwatch::start();
                transaction.append(part, tail, rows, bytes, now_ms)?
            }
            State::Expired => return Err(expired()),
            State::Idle | State::Committing | State::Done => return Err(not_awaited()),
        };
        self.holders.insert(part.id, writer);
        Ok(offsets)
    }

    /// Joins the batch that is being gathered; its reply comes with the batch's.
    pub(super) async fn commit(&mut self, writer: WriterId, consumed: Option<Consumed>, reply: Reply<()>, batch: &mut Batch) {
        let transaction = match self.take_transaction(&writer).await {
            Ok(transaction) => transaction,
            Err(error) => return drop(reply.send(Err(error))),
        };
        if consumed.as_ref().is_some_and(|consumed| !consumed.membership.holds()) {
            self.set_state(&writer, transaction.map_or(State::Idle, State::Open));
            return drop(reply.send(Err(Error::Aborted("the member no longer holds the partition".into()))));
        }
        if transaction.is_none() && consumed.is_none() {
            return drop(reply.send(Ok(())));
        }
        self.set_state(&writer, State::Committing);
        batch.commit(writer, transaction.unwrap_or_else(Transaction::begin), consumed, reply);
    }

    /// The transaction to be committed; `None` when there is nothing to write.
    async fn take_transaction(&mut self, writer: &WriterId) -> Result<Option<Transaction>> {
        self.connection().await?;
        let state = self.state(writer)?;
        match std::mem::replace(state, State::Idle) {
            State::Open(transaction) => Ok(Some(transaction)),
            State::Idle | State::Done => Ok(None),
            State::Expired => {
                *state = State::Expired;
                Err(expired())
            }
            State::Committing => {
                *state = State::Committing;
                Err(not_awaited())
            }
        }
    }

    pub(super) async fn abort(&mut self, writer: &WriterId) -> Result<()> {
        self.connection().await?;
        let state = self.state(writer)?;
        if matches!(state, State::Committing | State::Done) {
            return Err(Error::Fenced("the transaction to be aborted has been committed".into()));
        }
        *state = State::Idle;
        self.release(std::slice::from_ref(writer));
        Ok(())
    }

    fn state(&mut self, writer: &WriterId) -> Result<&mut State> {
        match self.writers.get_mut(&writer.name) {
            Some(current) if current.epoch == writer.epoch => Ok(&mut current.state),
            _ => Err(Error::Fenced(format!("a later writer `{}` was opened", writer.name))),
        }
    }

    pub(super) fn set_state(&mut self, writer: &WriterId, state: State) {
        if let Ok(current) = self.state(writer) {
            *current = state;
        }
    }

    // === who waits for whom ===

    pub(super) fn must_wait(&self, request: &Request) -> bool {
        match request {
            Request::Append { part, .. } => self.holders.contains_key(&part.id),
            Request::AppendInTransaction { part, writer, .. } => self.holders.get(&part.id).is_some_and(|holder| holder != writer),
            _ => false,
        }
    }

    pub(super) fn release(&mut self, writers: &[WriterId]) {
        self.holders.retain(|_, holder| !writers.contains(holder));
        self.ready.append(&mut self.waiting);
    }

    pub(super) fn expire_idle(&mut self) {
        let limit = self.options.transaction_idle;
        let mut expired = Vec::new();
        for (name, writer) in &mut self.writers {
            if let State::Open(transaction) = &writer.state
                && transaction.idle.elapsed() >= limit
                && self.unsure.is_none()
            {
                tracing::warn!(writer = &**name, idle_ms = limit.as_millis() as u64, "a transaction was idle for too long and is aborted");
                writer.state = State::Expired;
                expired.push(WriterId { name: name.clone(), epoch: writer.epoch });
            }
        }
        if !expired.is_empty() {
            self.release(&expired);
        }
    }

    /// How long until a transaction has been idle for too long.
    pub(super) fn idle_left(&self) -> Option<Duration> {
        let open = self.writers.values().filter_map(|writer| match &writer.state {
            State::Open(transaction) => Some(self.options.transaction_idle.saturating_sub(transaction.idle.elapsed())),
            _ => None,
        });
        open.min().map(|left| left.max(Duration::from_millis(1)))
    }
}

fn expired() -> Error {
    Error::Aborted("it was idle for too long".into())
}

fn not_awaited() -> Error {
    Error::Fenced("the last commit was not awaited, so its outcome is unknown".into())
}
