//! What one SQL transaction will write: appends of many callers, commits, positions.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::catalog::Part;
use super::request::{Consumed, Reply, WriterId};
use super::row::{self, NewRow, Row};
use super::transaction::{Reserved, Transaction};
use crate::error::Result;

/// A group commit takes up to this many records: a later caller waits for one such write at most.
const MAX_ROWS: usize = 10_000;

/// A time mark each so many records.
const MARK_EVERY: u64 = 1024;

/// Where a partition's next record goes, and the greatest time before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) next: u64,
    pub(super) max_timestamp_ms: i64,
}

impl Tail {
    /// Gives rows their offsets and times.
    pub(super) fn place(
        &mut self,
        part: &Part,
        rows: Vec<NewRow>,
        now_ms: i64,
        out: &mut Vec<Row>,
        marks: &mut Vec<(i64, u64)>,
    ) -> Vec<u64> {
        let first = self.next;
        for row in rows {
            if self.next.is_multiple_of(MARK_EVERY) && self.next > 0 {
                marks.push((self.max_timestamp_ms, self.next));
            }
            let row = row.place(part.record(self.next), now_ms, self.max_timestamp_ms);
            self.max_timestamp_ms = self.max_timestamp_ms.max(row.timestamp_ms());
            self.next += 1;
            out.push(row);
        }
        (first..self.next).collect()
    }
}

/// An append that is being written. The permit goes back when it is: what waits and what is written are bounded together.
#[derive(Debug)]
struct Append {
    offsets: Vec<u64>,
    reply: Reply<Vec<u64>>,
    _permit: OwnedSemaphorePermit,
}

/// A transaction that is being committed.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) writer: WriterId,
    pub(super) transaction: Transaction,
    pub(super) reply: Reply<()>,
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    rows: Vec<Row>,
    marks: Vec<(i64, i64, u64)>,
    tails: HashMap<i64, (Arc<Part>, Tail)>,
    appends: Vec<Append>,
    /// In the order in which they were asked for: the last one of a group and partition stays.
    positions: Vec<Consumed>,
    position_replies: Vec<Reply<()>>,
    commits: Vec<Commit>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.positions.is_empty() && self.commits.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() + self.reserved().map(|reserved| reserved.rows.len()).sum::<usize>() >= MAX_ROWS
    }

    /// Appends, records and bytes, for the metrics.
    pub(super) fn size(&self) -> (usize, usize, usize) {
        let rows = || self.rows.iter().chain(self.reserved().flat_map(|reserved| &reserved.rows));
        (self.appends.len() + self.commits.len(), rows().count(), rows().map(Row::bytes).sum())
    }

    fn reserved(&self) -> impl Iterator<Item = &Reserved> {
        self.commits.iter().flat_map(|commit| commit.transaction.reserved.values())
    }

    pub(super) fn touches(&self, part: &Part) -> bool {
        self.tails.contains_key(&part.id)
    }

    /// `tail`: the partition's as last written.
    pub(super) fn append(
        &mut self,
        part: &Arc<Part>,
        tail: Tail,
        rows: Vec<NewRow>,
        now_ms: i64,
        reply: Reply<Vec<u64>>,
        permit: OwnedSemaphorePermit,
    ) {
        let (_, tail) = self.tails.entry(part.id).or_insert_with(|| (part.clone(), tail));
        let mut marks = Vec::new();
        let offsets = tail.place(part, rows, now_ms, &mut self.rows, &mut marks);
        self.marks.extend(marks.into_iter().map(|(time, position)| (part.id, time, position)));
        self.appends.push(Append { offsets, reply, _permit: permit });
    }

    pub(super) fn commit_position(&mut self, consumed: Consumed, reply: Reply<()>) {
        self.positions.push(consumed);
        self.position_replies.push(reply);
    }

    pub(super) fn commit(&mut self, writer: WriterId, transaction: Transaction, consumed: Option<Consumed>, reply: Reply<()>) {
        self.positions.extend(consumed);
        self.commits.push(Commit { writer, transaction, reply });
    }

    /// The writers whose transactions are in here.
    pub(super) fn writers(&self) -> Vec<WriterId> {
        self.commits.iter().map(|commit| commit.writer.clone()).collect()
    }

    /// Where each touched partition ends once this is written.
    pub(super) fn tails(&self) -> Vec<(Arc<Part>, Tail)> {
        self.tails.values().cloned().chain(self.reserved().map(|reserved| (reserved.part.clone(), reserved.tail))).collect()
    }

    /// All of it or nothing. `number` tells afterwards whether this batch is in the file.
    pub(super) async fn write(&self, connection: &mut SqliteConnection, number: i64) -> sqlx::Result<()> {
        let mut sql = connection.begin_with("BEGIN IMMEDIATE").await?;
        row::write(&mut sql, &self.rows).await?;
        for &(part, time, position) in &self.marks {
            write_mark(&mut sql, part, time, position).await?;
        }
        for reserved in self.reserved() {
            row::write(&mut sql, &reserved.rows).await?;
            for &(time, position) in &reserved.marks {
                write_mark(&mut sql, reserved.part.id, time, position).await?;
            }
        }
        for (part, tail) in self.tails() {
            sqlx::query("UPDATE partition SET next = ?, max_timestamp_ms = ? WHERE id = ?")
                .bind(tail.next as i64)
                .bind(tail.max_timestamp_ms)
                .bind(part.id)
                .execute(&mut *sql)
                .await?;
        }
        for consumed in &self.positions {
            sqlx::query(
                "INSERT INTO committed (consumers, partition, position, note) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (consumers, partition) DO UPDATE SET position = excluded.position, note = excluded.note",
            )
            .bind(consumed.membership.group().to_owned())
            .bind(consumed.part.id)
            .bind(consumed.position as i64)
            .bind(consumed.note.clone())
            .execute(&mut *sql)
            .await?;
        }
        sqlx::query("UPDATE batch SET number = ?").bind(number).execute(&mut *sql).await?;
        sql.commit().await
    }

    /// Answers appends and positions; the commits are left to whoever knows the writers.
    pub(super) fn answer(self, result: &Result<()>) -> Vec<Commit> {
        for append in self.appends {
            // A caller that has gone away needs no answer.
            let _gone = append.reply.send(result.clone().map(|()| append.offsets));
        }
        for reply in self.position_replies {
            let _gone = reply.send(result.clone());
        }
        self.commits
    }
}

async fn write_mark(sql: &mut SqliteConnection, part: i64, time: i64, position: u64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO time_mark (partition, max_timestamp_ms, position) VALUES (?, ?, ?)")
        .bind(part)
        .bind(time)
        .bind(position as i64)
        .execute(sql)
        .await
        .map(drop)
}
