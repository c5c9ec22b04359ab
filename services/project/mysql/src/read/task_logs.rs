//! The reader of tasks' logs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use loki_domain::{Position, RunId, ServerId};
use loki_runner::Stored;
use loki_wire::task_log::{self, Chunk};

use super::dump::{self, Lines};
use super::snapshot::{Snapshot, Source};
use super::wait::Waiting;
use crate::port::{Answer, ChunkView, Dump, Page, Place, ReadError, TaskLog, TaskLogReader};
use crate::sql::{Fault, Row, Value};

/// A chunk that was sent again lies there twice, side by side.
const CHUNKS: &str = "SELECT json, at_ms FROM task_log WHERE run = ? AND server = ? AND attempt >= ? AND (attempt > ? OR begins >= ?) \
     ORDER BY attempt, begins, position LIMIT ?";

const NEWEST: &str =
    "SELECT json, at_ms FROM task_log WHERE run = ? AND server = ? ORDER BY attempt DESC, begins DESC, position DESC LIMIT 1";

pub(super) struct TaskLogs {
    source: Arc<Source>,
    waiting: Waiting,
}

impl TaskLogs {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { waiting: Waiting::new(Arc::clone(&source)), source }
    }
}

#[async_trait]
impl TaskLogReader for TaskLogs {
    async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        self.source.stored().await
    }

    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError> {
        self.waiting.until(at_least, limit).await
    }

    async fn task_log(
        &self,
        run: RunId,
        server: ServerId,
        from: Place,
        limit: usize,
        at_least: Option<Position>,
    ) -> Result<Answer<TaskLog>, ReadError> {
        let mut snapshot = self.source.open(at_least).await?;
        let log = read_log(&mut snapshot, run, server, from, limit).await?;
        self.source.answer(snapshot, log).await
    }

    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError> {
        let snapshot = self.source.open(at_least).await?;
        let (connection, stored) = self.source.keep(snapshot);
        Ok(Box::new(Lines::new(connection, stored, &dump::TASK_LOGS)))
    }
}

async fn read_log(snapshot: &mut Snapshot, run: RunId, server: ServerId, from: Place, limit: usize) -> Result<TaskLog, Fault> {
    let (run, server) = (Value::text(run.to_string()), Value::text(server.to_string()));
    let attempt = Value::Int(i64::from(from.attempt));
    let limit = Value::Int(limit.clamp(1, Page::LIMIT_MAX) as i64);
    let values = vec![run.clone(), server.clone(), attempt.clone(), attempt, Value::offset(from.offset), limit];
    let mut chunks = snapshot.query(CHUNKS, values).await?.iter().map(read_chunk).collect::<Result<Vec<_>, Fault>>()?;
    chunks.dedup_by(|next, before| (next.chunk.attempt, next.chunk.offset) == (before.chunk.attempt, before.chunk.offset));
    let newest = snapshot.first(NEWEST, vec![run, server]).await?;
    Ok(TaskLog { chunks, newest: newest.as_ref().map(read_chunk).transpose()?.map(|view| view.chunk) })
}

fn read_chunk(row: &Row) -> Result<ChunkView, Fault> {
    Ok(ChunkView { chunk: parse(&row.text(0)?)?, at_ms: row.int(1)? })
}

/// A chunk as its row keeps it.
pub(super) fn parse(json: &str) -> Result<Chunk, Fault> {
    let headers = [("ce_dataschema".to_owned(), Bytes::from_static(task_log::v1::NAME.as_bytes()))];
    let chunk = task_log::read(Some(&Bytes::copy_from_slice(json.as_bytes())), &headers);
    chunk.map_err(|error| Fault::Unusable(format!("a chunk of a task's log cannot be read: {error}")))
}
