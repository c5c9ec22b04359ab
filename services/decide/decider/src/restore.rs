//! Taking over: fence the predecessor, then rebuild the book from what it left in the log.
//!
//! The order matters. The writer is opened first: from then on nobody else can write facts or outcomes, so the ends read next are final. Then
//! facts up to their end, the last outcome (it says where the decider is), the outcomes of the last 24 hours (for ids), and last the
//! group's own opinion of the position, which must agree.

use std::time::Duration;

use loki_core::{First, IdKey, Ids, Origin, REMEMBERED_MS};
use loki_domain::{Code, LogId};
use loki_log::{Bounds, Committed, Log, NewRecord, Partition, Reader, Record, Writer};
use loki_runtime::Backoff;
use loki_telemetry::Component;
use loki_wire::digest::sha256;
use loki_wire::{Change, Outcome, Verdict, fact, outcome};

use crate::book::Book;
use crate::config::{Config, Partitions};
use crate::error::Error;
use crate::intake::{DECIDER, numbered};

/// Records asked for at once.
const READ_MAX: usize = 2_000;
/// How long one read may wait for what lies before the end.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Where the search for the last outcome begins: so many offsets before the end.
const LAST_OUTCOME_SPAN: u64 = 64;

/// The log as the one who takes over reads it: calls that may succeed later are repeated, and what is wrong is told meanwhile.
pub(crate) struct Restore<'r> {
    pub(crate) log: &'r dyn Log,
    pub(crate) config: &'r Config,
    pub(crate) partitions: &'r Partitions,
    pub(crate) component: &'r Component,
}

impl Restore<'_> {
    /// Returns the book as of the end of the log, and the writer that nobody else can have.
    pub(crate) async fn take_over(&self) -> Result<(Book, Box<dyn Writer>), Error> {
        let mut backoff = Backoff::for_backend();
        let group = self.config.group();
        let mut writer = loop {
            match self.log.writer(&group).await {
                Ok(writer) => break writer,
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        };
        let facts = self.bounds(&self.partitions.facts).await?;
        let outcomes = self.bounds(&self.partitions.outcomes).await?;

        let mut book = Book { signer: self.config.signer.clone(), ..Book::default() };
        let found = self.facts(&mut book, facts).await?;
        let last = self.last_outcome(outcomes).await?;
        self.check_whole(&found, last.is_some())?;
        if let Some(record) = &last {
            let last = read_outcome(record)?;
            book.next = last.command + 1;
            book.at_ms = last.at_ms;
            book.previous = outcome::hash(record.value.as_deref().unwrap_or_default());
            self.ids(&mut book.ids, &last, outcomes).await?;
        }
        self.check_group(&group, book.next).await?;
        if found.log_id.is_none() {
            book.last_fact = Some(self.write_log_id(&mut *writer).await?);
        }
        tracing::info!(
            position = book.next,
            nodes = book.state.tree().len(),
            servers = book.state.servers().len(),
            ids = book.ids.len(),
            "took over"
        );
        Ok((book, writer))
    }

    async fn facts(&self, book: &mut Book, bounds: Bounds) -> Result<Found, Error> {
        let mut found = Found::default();
        let partition = &self.partitions.facts;
        self.read(partition, 0, bounds.end, |record| {
            let read = fact::read(record.offset, record.key.as_ref(), record.value.as_ref(), &record.headers);
            let fact = read.map_err(|reason| unreadable(&record, reason))?;
            book.last_fact = Some(record.offset);
            let (key, entity) = match fact.change {
                Change::Log(id) => {
                    found.log_id = Some(id);
                    return Ok(());
                }
                Change::Set(entity) => (entity.key(), Some(entity)),
                Change::Removed(key) => (key, None),
            };
            found.entities = true;
            drop(book.state.evolve(key, entity));
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Transaction markers lie at the end too, so the search goes back until it finds a record.
    async fn last_outcome(&self, bounds: Bounds) -> Result<Option<Record>, Error> {
        let mut span = LAST_OUTCOME_SPAN;
        loop {
            let from = bounds.end.saturating_sub(span).max(bounds.start);
            let mut last = None;
            self.read(&self.partitions.outcomes, from, bounds.end, |record| {
                last = Some(record);
                Ok(())
            })
            .await?;
            if last.is_some() || from == bounds.start {
                return Ok(last);
            }
            span = span.saturating_mul(16);
        }
    }

    /// The answers of the last 24 hours before `last`.
    async fn ids(&self, ids: &mut Ids, last: &Outcome, bounds: Bounds) -> Result<(), Error> {
        let since = last.at_ms.saturating_sub(REMEMBERED_MS);
        let mut backoff = Backoff::for_backend();
        let from = loop {
            match self.log.offset_at(&self.partitions.outcomes, since).await {
                Ok(from) => break from.unwrap_or(bounds.start),
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        };
        self.read(&self.partitions.outcomes, from.max(bounds.start), bounds.end, |record| {
            let outcome = read_outcome(&record)?;
            remember(ids, &outcome);
            Ok(())
        })
        .await
    }

    /// Facts and outcomes begin together: the log id comes before the first outcome, an entity's fact with its outcome.
    fn check_whole(&self, found: &Found, answered: bool) -> Result<(), Error> {
        let (facts, outcomes) = (self.config.topics.facts.clone(), self.config.topics.outcomes.clone());
        match (found.log_id, found.entities, answered) {
            (None, false, true) => Err(Error::HalfEmpty { full: outcomes, empty: facts }),
            (_, true, false) => Err(Error::HalfEmpty { full: facts, empty: outcomes }),
            (None, true, true) => Err(Error::NoLogId { topic: facts }),
            (None, false, false) | (Some(_), false, false) | (Some(_), _, true) => Ok(()),
        }
    }

    /// Outcomes say where the decider is; the group's position is written with them, so they never differ unless something was restored.
    async fn check_group(&self, group: &str, answered: u64) -> Result<(), Error> {
        let mut backoff = Backoff::for_backend();
        let commands = &self.partitions.commands;
        let committed = loop {
            match self.log.committed(group, commands).await {
                Ok(committed) => break committed,
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        };
        match committed {
            Some(Committed { position: committed, .. }) if committed != answered => {
                Err(Error::Disagree { group: group.to_owned(), topic: commands.topic.to_string(), committed, answered })
            }
            _ => Ok(()),
        }
    }

    /// The very first transaction. It stands alone: projections wait for it.
    async fn write_log_id(&self, writer: &mut dyn Writer) -> Result<u64, Error> {
        let random = uuid::Uuid::new_v4();
        let id = LogId::from_digest(&sha256(&[random.as_bytes()]));
        let written = fact::write(&Change::Log(id), 0, 0, true, None);
        let record = NewRecord { key: Some(written.key), value: written.value, headers: written.headers, timestamp_ms: None };
        let offsets = writer.append(&self.partitions.facts, vec![record]).await?;
        writer.commit(None).await?;
        tracing::info!(log.id = %id, "a new log begins");
        Ok(offsets.first().copied().unwrap_or_default())
    }

    async fn bounds(&self, partition: &Partition) -> Result<Bounds, Error> {
        let mut backoff = Backoff::for_backend();
        loop {
            match self.log.bounds(partition).await {
                Ok(bounds) => return Ok(bounds),
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        }
    }

    /// Reads until the position, not a record, has reached `end`: what lies before it may be compacted away or be a marker.
    async fn read(
        &self,
        partition: &Partition,
        from: u64,
        end: u64,
        mut each: impl FnMut(Record) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut backoff = Backoff::for_backend();
        let mut reader: Box<dyn Reader> = loop {
            match self.log.reader(partition, from).await {
                Ok(reader) => break reader,
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        };
        while reader.position() < end {
            match reader.read(READ_MAX, READ_WAIT).await {
                Ok(batch) => {
                    backoff.reset();
                    batch.records.into_iter().try_for_each(&mut each)?;
                }
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        }
        Ok(())
    }

    async fn wait(&self, backoff: &mut Backoff, error: loki_log::Error) -> Result<(), Error> {
        if error.class() != loki_log::Class::Retry {
            return Err(error.into());
        }
        self.component.not_ready(error.to_string());
        backoff.wait().await;
        Ok(())
    }
}

/// What the facts hold.
#[derive(Debug, Default)]
struct Found {
    log_id: Option<LogId>,
    entities: bool,
}

/// As when it was decided: dead commands take no id, nor do the decider's own steps, a reused one keeps its first answer, and a number given
/// here cannot come again.
fn remember(ids: &mut Ids, outcome: &Outcome) {
    let first = match &outcome.verdict {
        Verdict::Accepted { after, .. } => First::Accepted { after: *after },
        Verdict::Rejected(rejection) if rejection.code != Code::IdReused => First::Rejected(Box::new(rejection.clone())),
        Verdict::Rejected(_) | Verdict::Duplicate { .. } | Verdict::Dead { .. } => return,
    };
    let Some(digest) = outcome.digest else { return };
    if outcome.actor == DECIDER || outcome.id == numbered(outcome.command) {
        return;
    }
    let key = IdKey::of(&Origin::new(&outcome.actor, &outcome.id));
    drop(ids.remember(key, &digest, outcome.at_ms, outcome.command, first));
}

fn read_outcome(record: &Record) -> Result<Outcome, Error> {
    outcome::read(record.value.as_ref(), &record.headers).map_err(|reason| unreadable(record, reason))
}

fn unreadable(record: &Record, reason: loki_wire::Error) -> Error {
    Error::Unreadable { topic: record.partition.topic.to_string(), offset: record.offset, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in `intake`: who repeats a step of the decider repeats nothing.
    #[test]
    fn steps_of_the_decider_are_not_remembered() {
        let remembered = |actor: &str, id: &str| {
            let mut ids = Ids::default();
            let outcome = Outcome {
                id: id.to_owned(),
                actor: actor.to_owned(),
                kind: "membership.sweep".to_owned(),
                command: 17,
                at_ms: 5,
                rules: outcome::RULES,
                previous: Default::default(),
                digest: Some(sha256(&[b"x"])),
                verdict: Verdict::Accepted { after: Some(3), facts: Vec::new() },
            };
            remember(&mut ids, &outcome);
            ids.len()
        };
        assert_eq!([remembered("ann", "1"), remembered("ann", "@c17"), remembered(DECIDER, "@0123456789abcdef-0-16")], [1, 0, 0]);
    }

    /// After a rollback: whoever repeats a command gets the answer that the later decider gave.
    #[test]
    fn a_rejection_of_a_later_decider_is_remembered() {
        let rejection = loki_domain::Rejection::new(Code::read("gate_closed").expect("a code"), "node", "a gate is closed");
        let written = outcome::write(
            &Outcome {
                id: "1".to_owned(),
                actor: "ann".to_owned(),
                kind: "node.remove".to_owned(),
                command: 17,
                at_ms: 5,
                rules: outcome::RULES + 1,
                previous: Default::default(),
                digest: Some(sha256(&[b"x"])),
                verdict: Verdict::Rejected(rejection.clone()),
            },
            None,
        );
        let mut ids = Ids::default();
        remember(&mut ids, &outcome::read(Some(&written.value), &written.headers).expect("it can be read"));
        let first = First::Rejected(Box::new(rejection));
        let key = IdKey::of(&Origin::new("ann", "1"));
        assert_eq!(ids.seen(key, &sha256(&[b"x"]), 6), loki_core::Seen::Before { offset: 17, first: &first });
    }
}
