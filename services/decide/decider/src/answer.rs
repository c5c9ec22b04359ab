//! From a decided batch to records: facts first, then outcomes that say where the facts lie. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use loki_core::First;
use loki_log::NewRecord;
use loki_wire::digest::Digest;
use loki_wire::outcome::{self, RULES};
use loki_wire::{DeadLetter, Envelope, Outcome, Verdict, WrittenFact, command};
use serde_json::value::RawValue;

use crate::book::{Answer, Book, Decided, Draft, FollowUp, NewFact};
use crate::intake::{DECIDER, Sender};

/// The outcomes of a batch, and what the book needs to go on from them.
#[derive(Debug)]
pub struct Outcomes {
    pub records: Vec<NewRecord>,
    /// Of each accepted command in order: the last fact that there was after it.
    pub firsts: Vec<Option<u64>>,
    /// The hash of the last outcome.
    pub previous: Digest,
}

/// The records of all facts, in order.
pub fn facts(draft: &Draft) -> Vec<NewRecord> {
    let mut records = Vec::new();
    for answer in &draft.answers {
        for fact in answer.facts() {
            let written = fact.written.clone();
            let (key, value, headers) = (Some(written.key), written.value, written.headers);
            records.push(NewRecord { key, value, headers, timestamp_ms: Some(answer.at_ms) });
        }
    }
    records
}

/// The outcomes; `offsets` are those that the log gave to `facts`.
pub fn outcomes(book: &Book, draft: &Draft, offsets: &[u64]) -> Outcomes {
    let mut outcomes = Outcomes { records: Vec::with_capacity(draft.answers.len()), firsts: Vec::new(), previous: book.previous };
    let mut offsets = offsets.iter().copied();
    let mut last_fact = book.last_fact;
    let mut of_this_batch = BTreeMap::new();
    for answer in &draft.answers {
        let verdict = match &answer.decided {
            Decided::Accepted { facts, .. } => {
                let facts: Vec<WrittenFact> = facts.iter().zip(offsets.by_ref()).map(|(fact, offset)| written(fact, offset)).collect();
                last_fact = facts.last().map(|fact| fact.offset).or(last_fact);
                outcomes.firsts.push(last_fact);
                of_this_batch.insert(answer.offset, last_fact);
                Verdict::Accepted { after: last_fact, facts }
            }
            Decided::Rejected(rejection) => Verdict::Rejected(rejection.clone()),
            Decided::Duplicate { of, first } => Verdict::Duplicate {
                of: *of,
                first: match first {
                    First::Rejected(rejection) => outcome::First::Rejected((**rejection).clone()),
                    First::Accepted { after } => outcome::First::Accepted { after: of_this_batch.get(of).copied().unwrap_or(*after) },
                },
            },
            Decided::Dead(letter) => Verdict::Dead { code: letter.reason.code.clone(), message: letter.reason.message.clone() },
        };
        let outcome = Outcome {
            id: answer.sender.id.clone(),
            actor: answer.sender.actor.clone(),
            kind: answer.sender.kind.clone(),
            command: answer.offset,
            at_ms: answer.at_ms,
            rules: RULES,
            previous: outcomes.previous,
            digest: answer.digest,
            verdict,
        };
        let encoded = outcome::write(&outcome, answer.sender.traceparent.as_deref());
        outcomes.previous = encoded.hash;
        let (value, headers) = (Some(encoded.value), encoded.headers);
        outcomes.records.push(NewRecord { key: None, value, headers, timestamp_ms: Some(answer.at_ms) });
    }
    outcomes
}

/// The dead letters.
pub fn dead(draft: &Draft) -> Vec<NewRecord> {
    let letters = draft.answers.iter().filter_map(|answer| if let Decided::Dead(letter) = &answer.decided { Some(letter) } else { None });
    letters.map(|letter| dead_record(letter)).collect()
}

/// The commands that the decider appends to itself.
pub fn follow_ups(draft: &Draft) -> Vec<NewRecord> {
    let follow = |answer: &Answer| match &answer.decided {
        Decided::Accepted { follow: Some(follow), .. } => Some(follow_up(follow, &answer.sender)),
        _ => None,
    };
    draft.answers.iter().filter_map(follow).collect()
}

impl Answer {
    pub(crate) fn facts(&self) -> &[NewFact] {
        if let Decided::Accepted { facts, .. } = &self.decided { facts } else { &[] }
    }
}

fn written(fact: &NewFact, offset: u64) -> WrittenFact {
    let json = fact.written.value.as_ref().and_then(|value| {
        let text = String::from_utf8(value.to_vec()).ok()?;
        RawValue::from_string(text).ok()
    });
    WrittenFact { key: fact.key, offset, json }
}

fn dead_record(letter: &DeadLetter) -> NewRecord {
    let (key, value, headers) = letter.write();
    NewRecord { key: Some(key), value: Some(value), headers, timestamp_ms: None }
}

/// It carries on the trace of the command that began the work.
fn follow_up(follow: &FollowUp, cause: &Sender) -> NewRecord {
    let mut envelope = Envelope::new(follow.command.type_name(), command::write(&follow.command));
    envelope.id = Some(follow.id.clone());
    envelope.actor = DECIDER.to_owned();
    envelope.source = Some("loki/decider".to_owned());
    envelope.traceparent.clone_from(&cause.traceparent);
    NewRecord { key: None, value: Some(Bytes::clone(&envelope.data)), headers: envelope.headers(), timestamp_ms: None }
}
