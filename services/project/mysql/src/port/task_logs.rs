//! Questions about what hooks and scripts have printed.

use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Position, RunId, ServerId};
use loki_runner::Stored;
use loki_wire::task_log::Chunk;

use super::{Answer, Dump, ReadError};

/// Reads the logs of tasks. `at_least` is the position of a chunk (`l5`) that the store must have passed.
#[async_trait]
pub trait TaskLogReader: Send + Sync + 'static {
    /// What the store says of itself, also while it is being filled; `None` when it is empty. For status pages.
    async fn stored(&self) -> Result<Option<Stored>, ReadError>;

    /// As for [`super::HistoryReader::wait`].
    async fn wait(&self, at_least: Position, limit: Duration) -> Result<(), ReadError>;

    /// What a server has printed in a run: chunks that begin at `from` or after it, in order, each once, at most `limit` of them.
    async fn task_log(
        &self,
        run: RunId,
        server: ServerId,
        from: Place,
        limit: usize,
        at_least: Option<Position>,
    ) -> Result<Answer<TaskLog>, ReadError>;

    /// Everything, as `chunk_line` writes it, sorted.
    async fn dump(&self, at_least: Option<Position>) -> Result<Box<dyn Dump>, ReadError>;
}

/// A place in the logs of a server's attempts, one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub attempt: u32,
    /// Bytes of the attempt's log before it.
    pub offset: u64,
}

impl Place {
    /// Where what comes after a chunk begins.
    pub fn after(chunk: &Chunk) -> Self {
        match chunk.is_last {
            true => Self { attempt: chunk.attempt.saturating_add(1), offset: 0 },
            false => Self { attempt: chunk.attempt, offset: chunk.offset + u64::from(chunk.bytes) },
        }
    }
}

/// A part of what a server has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLog {
    pub chunks: Vec<ChunkView>,
    /// What comes last of all that is there now; `None`: nothing is.
    pub newest: Option<Chunk>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkView {
    pub chunk: Chunk,
    /// When the log took it, milliseconds since 1970.
    pub at_ms: i64,
}
