//! `loki verify` for the logs of tasks: the store holds of the topic what is new enough and fits, and nothing else.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use loki_cli::operations::OnFinding;
use loki_domain::Position;
use loki_log::{Log, Partition, Topic};
use loki_mysql::Retained;
use loki_mysql::port::TaskLogReader;
use loki_runner::projection::{Item, PlacedChunk};

use super::verify::{CATCH_UP, Dumped, Lines, UpTo, compare, last};
use crate::backends::Backends;

pub(super) async fn task_logs(backends: &Backends, reader: &dyn TaskLogReader, out: &mut OnFinding<'_>) -> anyhow::Result<bool> {
    let topic = &backends.topics.task_logs;
    if let Some(last) = last(backends, topic).await? {
        reader.wait(Position::task_log(last), CATCH_UP).await?;
    }
    let dump = Dumped(reader.dump(None).await?);
    let end = dump.0.stored().position;
    let mut log = Kept::open(&backends.log, topic, end).await?;
    // after the log was read: what it dropped meanwhile is no business of the store's
    let start = backends.log.bounds(&Partition::only(&Topic::new(topic))).await?.start;
    let (mut log, mut dump) = (From { lines: &mut log, start }, From { lines: &mut { dump }, start });
    compare("task_logs", &mut log, &mut dump, out).await
}

/// The chunks of the topic up to `end` of which the store has rows, as lines.
struct Kept {
    retained: Retained,
    records: UpTo,
}

impl Kept {
    async fn open(log: &Arc<dyn Log>, topic: &str, end: u64) -> anyhow::Result<Self> {
        let mut retained = Retained::default();
        let mut records = UpTo::open(log, topic, end).await?;
        while let Some(batch) = records.next().await? {
            for record in batch {
                retained.read(&read(&record)?);
            }
        }
        Ok(Self { retained, records: UpTo::open(log, topic, end).await? })
    }
}

#[async_trait]
impl Lines for Kept {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        while let Some(batch) = self.records.next().await? {
            let chunks = batch.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
            let lines: Vec<String> = chunks.iter().filter(|placed| self.retained.is_kept(placed)).map(loki_mysql::chunk_line).collect();
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
        Ok(Vec::new())
    }
}

fn read(record: &loki_log::Record) -> anyhow::Result<PlacedChunk> {
    PlacedChunk::read(record).with_context(|| format!("chunk at l{}", record.offset))
}

/// The lines of what lies at this offset or behind it.
struct From<'a> {
    lines: &'a mut dyn Lines,
    start: u64,
}

#[async_trait]
impl Lines for From<'_> {
    async fn next(&mut self) -> anyhow::Result<Vec<String>> {
        let first = loki_mysql::chunk_key(self.start);
        loop {
            let lines = self.lines.next().await?;
            if lines.is_empty() {
                return Ok(lines);
            }
            let behind: Vec<String> = lines.into_iter().filter(|line| *line >= first).collect();
            if !behind.is_empty() {
                return Ok(behind);
            }
        }
    }
}
