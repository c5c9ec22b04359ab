//! The group commit itself, and the file behind it.

use std::sync::Arc;

use loki_runtime::clock::Stopwatch;
use sqlx::{Connection, Row, SqliteConnection};

use super::{Committer, Unsure};
use crate::error::{Error, Result};
use crate::metrics;
use crate::sqlite::batch::{Batch, Tail};
use crate::sqlite::catalog::Part;
use crate::sqlite::sweep::{self, Step, Swept};
use crate::sqlite::transaction::State;
use crate::sqlite::{fault, schema, topics};
use crate::topic::TopicSpec;

impl Committer {
    /// Writes the batch, answers its callers and wakes the readers.
    pub(super) async fn flush(&mut self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        let batch = std::mem::take(batch);
        let watch = Stopwatch::start();
        let (appends, records, bytes) = batch.size();
        let result = self.write(&batch).await;
        if result.is_ok() {
            metrics::appended(metrics::SQLITE, appends, records, bytes);
            metrics::committed(metrics::SQLITE, watch.elapsed());
        } else {
            metrics::retry(metrics::SQLITE, metrics::CAUSE_AWAY);
        }
        for commit in batch.answer(&result) {
            let mut transaction = commit.transaction;
            transaction.idle = Stopwatch::start();
            let state = if result.is_ok() { State::Idle } else { State::Open(transaction) };
            self.set_state(&commit.writer, state);
            drop(commit.reply.send(result.clone()));
        }
    }

    async fn write(&mut self, batch: &Batch) -> Result<()> {
        self.connection().await?;
        let number = self.number + 1;
        let written = batch.write(self.connection().await?, number).await;
        let (tails, writers) = (batch.tails(), batch.writers());
        let Err(error) = written else {
            self.number = number;
            self.publish(tails);
            self.release(&writers);
            return Ok(());
        };
        let error = self.drop_connection(error);
        // Whether it is in the file is read from the file, on a new connection.
        self.unsure = Some(Unsure { tails, writers });
        let known = self.connection().await.is_ok();
        if known && self.number == number { Ok(()) } else { Err(error) }
    }

    fn publish(&mut self, tails: Vec<(Arc<Part>, Tail)>) {
        for (part, tail) in tails {
            self.tails.insert(part.id, tail);
            part.end.send_replace(tail.next);
        }
    }

    /// The connection; after a failure a new one, once it is known what became of the failed batch.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection> {
        if self.connection.is_none() {
            self.connection =
                Some(schema::connect(&self.path, self.options.max_file_bytes, self.options.durability).await.map_err(fault::classify)?);
            let before = self.number;
            if let Err(error) = self.load().await {
                self.connection = None;
                return Err(error);
            }
            if let Some(unsure) = self.unsure.take()
                && self.number > before
            {
                self.publish(unsure.tails);
                self.release(&unsure.writers);
                for writer in unsure.writers {
                    self.set_state(&writer, State::Done);
                }
            }
        }
        self.connection.as_mut().ok_or_else(|| Error::Away("the file is not open".into()))
    }

    /// After a failure nothing on the old connection is trusted.
    pub(super) fn drop_connection(&mut self, error: sqlx::Error) -> Error {
        self.connection = None;
        let error = fault::classify(error);
        tracing::warn!(%error, "a write to the log failed");
        error
    }

    pub(super) async fn load(&mut self) -> Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let number = sqlx::query_scalar("SELECT number FROM batch").fetch_one(&mut *connection).await.map_err(fault::classify)?;
        let rows = sqlx::query("SELECT id, next, max_timestamp_ms FROM partition").fetch_all(connection).await.map_err(fault::classify)?;
        for row in rows {
            let tail = Tail { next: row.get::<i64, _>("next") as u64, max_timestamp_ms: row.get("max_timestamp_ms") };
            self.tails.insert(row.get("id"), tail);
        }
        self.number = number;
        Ok(())
    }

    pub(super) async fn tail(&mut self, part: &Part) -> Result<Tail> {
        self.connection().await?;
        self.tails.get(&part.id).copied().ok_or_else(|| Error::NoSuchTopic(part.partition.topic.to_string()))
    }

    pub(super) async fn store_topics(&mut self, specs: &[TopicSpec]) -> Result<()> {
        let catalog = self.catalog.clone();
        let connection = self.connection().await?;
        if let Err(error) = topics::store(connection, specs).await {
            return Err(self.drop_connection(error));
        }
        catalog.load(connection).await?;
        self.load().await
    }

    pub(super) async fn sweep(&mut self, step: &Step) -> Result<Swept> {
        let connection = self.connection().await?;
        sweep::apply(connection, step).await.map_err(|error| self.drop_connection(error))
    }

    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the log's file was not closed cleanly; nothing is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use loki_runtime::Clock;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::record::{NewRecord, Partition};
    use crate::sqlite::catalog::Catalog;
    use crate::sqlite::lock::DirectoryLock;
    use crate::sqlite::options::Options;
    use crate::sqlite::row;
    use crate::topic::Topic;

    async fn committer(directory: &std::path::Path) -> (Committer, Arc<Part>) {
        let catalog = Arc::new(Catalog::default());
        let options = Options { clock: Clock::fixed(1_000), ..Options::new(directory) };
        let lock = DirectoryLock::take(directory, "control").unwrap();
        let (_, queue) = mpsc::channel(1);
        let mut committer = Committer::new(directory.join("control.db"), options, catalog.clone(), queue, lock).await.unwrap();
        let spec = TopicSpec { max_message_bytes: 1_000, ..TopicSpec::new("t", 1) };
        committer.store_topics(&[spec]).await.unwrap();
        let part = catalog.part(&Partition::only(&Topic::new("t"))).unwrap();
        (committer, part)
    }

    /// A writer with an open transaction of one record, and the batch that would commit it.
    async fn committing(committer: &mut Committer, part: &Arc<Part>) -> (crate::sqlite::request::WriterId, Batch) {
        let writer = committer.open_writer("w".into()).await.unwrap();
        let record = NewRecord { value: Some(Bytes::from_static(b"v")), ..NewRecord::default() };
        let (rows, bytes) = row::check(part, vec![record]).unwrap();
        committer.append_in_transaction(writer.clone(), part, rows, bytes).await.unwrap();
        let mut batch = Batch::default();
        let (reply, _answer) = oneshot::channel();
        committer.commit(writer.clone(), None, reply, &mut batch).await;
        (writer, batch)
    }

    /// The failure came after the file had taken the batch.
    #[tokio::test]
    async fn a_batch_that_arrived_after_all_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let (mut committer, part) = committer(directory.path()).await;
        let (writer, batch) = committing(&mut committer, &part).await;
        let number = committer.number + 1;
        batch.write(committer.connection().await.unwrap(), number).await.unwrap();
        committer.unsure = Some(Unsure { tails: batch.tails(), writers: batch.writers() });
        committer.connection = None;
        assert_eq!(part.bounds().end, 0, "nobody knows yet");
        for commit in batch.answer(&Err(Error::Away("lost".into()))) {
            committer.set_state(&commit.writer, State::Open(commit.transaction));
        }

        let (reply, answer) = oneshot::channel();
        committer.commit(writer, None, reply, &mut Batch::default()).await;
        answer.await.unwrap().expect("the commit, called again, had succeeded");
        assert_eq!(part.bounds().end, 1, "and its record is told");
        assert_eq!(committer.tail(&part).await.unwrap().next, 1);
    }

    /// The failure came before.
    #[tokio::test]
    async fn a_batch_that_did_not_arrive_can_be_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut committer, part) = committer(directory.path()).await;
        let (writer, batch) = committing(&mut committer, &part).await;
        committer.unsure = Some(Unsure { tails: batch.tails(), writers: batch.writers() });
        committer.connection = None;
        for commit in batch.answer(&Err(Error::Away("lost".into()))) {
            committer.set_state(&commit.writer, State::Open(commit.transaction));
        }

        let (reply, answer) = oneshot::channel();
        let mut again = Batch::default();
        committer.commit(writer, None, reply, &mut again).await;
        assert_eq!(part.bounds().end, 0);
        committer.flush(&mut again).await;
        answer.await.unwrap().unwrap();
        assert_eq!(part.bounds().end, 1, "once");
        assert_eq!(committer.tail(&part).await.unwrap().next, 1);
    }
}
