//! Writes a batch: facts, outcomes, dead letters, follow-ups and the group's position in one transaction, or none of it.
//!
//! What an error of the log asks for:
//!
//! - `Retry` or `Abort` before the commit: the transaction is aborted, the book undoes the batch, and it is decided again a little later.
//! - `Retry` of the commit: the same commit again, until its end is known.
//! - `Fenced`, or a place that is lost while a commit is not known: writer and book are dropped; whoever takes over next reads in the log what
//!   became of it.

use loki_log::{Class, Writer};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Shutdown};
use loki_telemetry::{Component, fields, trace};

use crate::answer;
use crate::book::{Answer, Book, Decided, Draft};
use crate::config::Partitions;
use crate::error::Error;
use crate::lag::Lag;
use crate::metrics;
use crate::seat::Seat;

/// Who decides now: the book, and the writer that nobody else has.
pub(crate) struct Lead<'l> {
    pub(crate) book: Book,
    pub(crate) writer: Box<dyn Writer>,
    pub(crate) partitions: &'l Partitions,
    pub(crate) component: &'l Component,
    pub(crate) shutdown: &'l Shutdown,
    pub(crate) lag: Lag,
}

impl Lead<'_> {
    /// Carries out commands that wait, `max` at most. Returns with them still waiting when the place is lost, or when shutdown begins while
    /// the log is away.
    pub(crate) async fn carry_out(&mut self, seat: &mut Seat, max: usize) -> Result<(), Error> {
        let mut backoff = Backoff::for_backend();
        while seat.is_held() && !seat.waiting.is_empty() {
            let watch = Stopwatch::start();
            let draft = self.book.decide(seat.waiting.iter().take(max));
            metrics::decided(watch.elapsed());
            let watch = Stopwatch::start();
            match self.write(seat, &draft).await {
                Ok(outcomes) => {
                    self.book.settle(&draft, &outcomes.firsts, outcomes.previous);
                    let oldest_ms = seat.waiting.front().map(|record| record.timestamp_ms);
                    seat.waiting.drain(..draft.answers.len());
                    tell(&draft);
                    let facts = draft.answers.iter().map(|answer| answer.facts().len()).sum();
                    metrics::committed(draft.answers.len(), facts, watch.elapsed(), self.book.next);
                    oldest_ms.into_iter().for_each(|oldest_ms| self.lag.answered(oldest_ms));
                    self.component.ready();
                    return Ok(());
                }
                Err(error) if matches!(error.class(), Class::Retry | Class::Abort) => {
                    self.book.forget(draft);
                    metrics::redone(error.class());
                    self.lag.tell(seat, self.book.next);
                    self.component.not_ready(error.to_string());
                    self.abort(seat).await?;
                    seat.bide(backoff.step()).await?;
                }
                Err(error) => return Err(error.into()),
            }
            if self.shutdown.has_begun() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn write(&mut self, seat: &mut Seat, draft: &Draft) -> loki_log::Result<answer::Outcomes> {
        let (writer, partitions) = (&mut self.writer, self.partitions);
        let facts = answer::facts(draft);
        let offsets = if facts.is_empty() { Vec::new() } else { seat.beside(writer.append(&partitions.facts, facts)).await? };
        let outcomes = answer::outcomes(&self.book, draft, &offsets);
        seat.beside(writer.append(&partitions.outcomes, outcomes.records.clone())).await?;
        for (partition, records) in [(&partitions.dead, answer::dead(draft)), (&partitions.commands, answer::follow_ups(draft))] {
            if !records.is_empty() {
                seat.beside(writer.append(partition, records)).await?;
            }
        }
        let position = draft.answers.last().map_or(self.book.next, |last| last.offset + 1);
        self.commit(seat, position).await?;
        Ok(outcomes)
    }

    async fn commit(&mut self, seat: &mut Seat, position: u64) -> loki_log::Result<()> {
        let mut backoff = Backoff::for_backend();
        let group = seat.group()?;
        loop {
            let commit = self.writer.commit(Some((&group, &self.partitions.commands, position)));
            match seat.beside(commit).await {
                Err(error) if error.class() == Class::Retry => {
                    self.component.not_ready(error.to_string());
                    seat.bide(backoff.step()).await.map_err(|error| unknown(&error))?;
                    if !seat.is_held() || self.shutdown.has_begun() {
                        return Err(unknown(&error));
                    }
                }
                other => return other,
            }
        }
    }

    async fn abort(&mut self, seat: &mut Seat) -> loki_log::Result<()> {
        let mut backoff = Backoff::for_backend();
        loop {
            match seat.beside(self.writer.abort()).await {
                Err(error) if error.class() == Class::Retry && seat.is_held() && !self.shutdown.has_begun() => {
                    self.component.not_ready(error.to_string());
                    seat.bide(backoff.step()).await?;
                }
                other => return other,
            }
        }
    }
}

/// A commit was under way when it had to be given up.
fn unknown(error: &loki_log::Error) -> loki_log::Error {
    loki_log::Error::Fenced(format!("the end of the last commit is not known: {error}"))
}

fn tell(draft: &Draft) {
    for outcome in ["accepted", "rejected", "duplicate", "dead"] {
        let count = draft.answers.iter().filter(|answer| answer.outcome() == outcome).count();
        if count > 0 {
            metrics::answered(outcome, count);
        }
    }
    for answer in &draft.answers {
        if let Decided::Dead(letter) = &answer.decided {
            metrics::dead(&letter.reason.code);
        }
        log(answer);
    }
}

/// One line for each command. What was not done is seen by default; what was, by whoever asks for it.
fn log(answer: &Answer) {
    let (id, kind, position) = (&answer.sender.id, &answer.sender.kind, answer.offset);
    let trace = answer.sender.traceparent.as_deref().and_then(trace::id);
    match &answer.decided {
        Decided::Dead(letter) => tracing::warn!(
            { fields::COMMAND_ID } = %id, { fields::COMMAND_TYPE } = %kind, { fields::COMMAND_POSITION } = position,
            { fields::TRACE_ID } = trace, reason = %letter.reason.code, error = %letter.reason.message, "a command is dead"
        ),
        Decided::Rejected(rejection) => tracing::info!(
            { fields::COMMAND_ID } = %id, { fields::COMMAND_TYPE } = %kind, { fields::COMMAND_POSITION } = position,
            { fields::TRACE_ID } = trace, reason = rejection.code.as_str(), error = %rejection.message, "a command is rejected"
        ),
        Decided::Accepted { .. } | Decided::Duplicate { .. } => tracing::debug!(
            { fields::COMMAND_ID } = %id, { fields::COMMAND_TYPE } = %kind, { fields::COMMAND_POSITION } = position,
            { fields::TRACE_ID } = trace, outcome = answer.outcome(), "decided"
        ),
    }
}
