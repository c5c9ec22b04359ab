//! Outcomes as rows of the history.

use loki_domain::Rejection;
use loki_runner::projection::PlacedOutcome;
use loki_wire::outcome::{First, Verdict};
use loki_wire::{Outcome, WrittenFact};

use super::TableChanges;
use crate::port::{Entry, OutcomeKind};
use crate::sql::Value;
use crate::tables::{ENTITY_CHANGE, OUTCOME};

/// What these outcomes add.
pub(crate) fn history_changes(outcomes: &[PlacedOutcome]) -> Vec<TableChanges> {
    let mut rows = TableChanges::new(&OUTCOME);
    let mut changes = TableChanges::new(&ENTITY_CHANGE);
    for placed in outcomes {
        rows.upserts.push(outcome_row(placed));
        for fact in facts(&placed.outcome) {
            changes.upserts.push(change_row(&placed.outcome, fact));
        }
    }
    vec![rows, changes]
}

/// An outcome's row, in the order of its table's columns.
pub(crate) fn outcome_row(placed: &PlacedOutcome) -> Vec<Value> {
    let outcome = &placed.outcome;
    let mut row = Verdicts::default();
    let kind = match &outcome.verdict {
        Verdict::Accepted { after, .. } => {
            row.after = *after;
            OutcomeKind::Accepted
        }
        Verdict::Rejected(rejection) => {
            row.reject(rejection);
            OutcomeKind::Rejected
        }
        Verdict::Duplicate { of, first } => {
            row.duplicate_of = Some(*of);
            match first {
                First::Accepted { after } => row.after = *after,
                First::Rejected(rejection) => row.reject(rejection),
            }
            OutcomeKind::Duplicate
        }
        Verdict::Dead { code, message } => {
            row.code = Some(code.clone());
            row.message = Some(message.clone());
            OutcomeKind::Dead
        }
    };
    let facts = facts(outcome);
    let touched: Vec<String> = facts.iter().take(Entry::KEYS_MAX).map(|fact| fact.key.to_string()).collect();
    let json = loki_wire::outcome::write(outcome, None).value;
    let offset_or_null = |offset: Option<u64>| offset.map_or(Value::Null, Value::offset);
    vec![
        Value::offset(outcome.command),
        Value::offset(placed.offset),
        Value::text(&outcome.id),
        Value::text(&outcome.actor),
        Value::text(&outcome.kind),
        Value::Int(outcome.at_ms),
        Value::text(kind_text(kind)),
        Value::text_or_null(row.code),
        Value::text_or_null(row.field),
        Value::text_or_null(row.message),
        Value::text_or_null(row.conflict),
        offset_or_null(row.duplicate_of),
        offset_or_null(row.after),
        Value::Int(facts.len() as i64),
        Value::text(touched.join(" ")),
        Value::text(String::from_utf8_lossy(&json)),
    ]
}

/// A change's row, in the order of its table's columns.
pub(crate) fn change_row(outcome: &Outcome, fact: &WrittenFact) -> Vec<Value> {
    vec![
        Value::offset(fact.offset),
        Value::offset(outcome.command),
        Value::text(fact.key.kind().as_str()),
        Value::text(fact.key.id()),
        Value::Int(outcome.at_ms),
        Value::text_or_null(fact.json.as_ref().map(|json| json.get())),
    ]
}

pub(crate) fn facts(outcome: &Outcome) -> &[WrittenFact] {
    match &outcome.verdict {
        Verdict::Accepted { facts, .. } => facts,
        Verdict::Rejected(_) | Verdict::Duplicate { .. } | Verdict::Dead { .. } => &[],
    }
}

/// As in the outcome's JSON.
pub(crate) fn kind_text(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Accepted => "accepted",
        OutcomeKind::Rejected => "rejected",
        OutcomeKind::Duplicate => "duplicate",
        OutcomeKind::Dead => "dead",
    }
}

pub(crate) fn read_kind(text: &str) -> Option<OutcomeKind> {
    [OutcomeKind::Accepted, OutcomeKind::Rejected, OutcomeKind::Duplicate, OutcomeKind::Dead]
        .into_iter()
        .find(|kind| kind_text(*kind) == text)
}

/// The columns that depend on the verdict.
#[derive(Default)]
struct Verdicts {
    code: Option<String>,
    field: Option<String>,
    message: Option<String>,
    conflict: Option<String>,
    duplicate_of: Option<u64>,
    after: Option<u64>,
}

impl Verdicts {
    fn reject(&mut self, rejection: &Rejection) {
        self.code = Some(rejection.code.as_str().to_owned());
        self.field = Some(rejection.field.clone());
        self.message = Some(rejection.message.clone());
        self.conflict.clone_from(&rejection.conflict);
    }
}
