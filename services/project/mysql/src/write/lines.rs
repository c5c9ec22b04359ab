//! The lines of a canonical dump: what the stores' dumps give, and what facts and outcomes of the log say they must give.

use std::fmt::Display;

use loki_domain::{Entity, Key};
use loki_runner::projection::{PlacedChunk, PlacedOutcome};
use loki_wire::fact::v1::write_entity;

use super::history::facts;

/// The line of an entity that is there.
pub fn entity_line(entity: &Entity) -> String {
    state_line(&entity.key(), &String::from_utf8_lossy(&write_entity(entity)))
}

/// The lines of an outcome: its own and those of what it changed. Sorted together with all others they are the dump of the history.
pub fn outcome_lines(placed: &PlacedOutcome) -> Vec<String> {
    let outcome = &placed.outcome;
    let json = loki_wire::outcome::write(outcome, None).value;
    let mut lines = vec![outcome_line(outcome.command, placed.offset, &String::from_utf8_lossy(&json))];
    for fact in facts(outcome) {
        let json = fact.json.as_ref().map(|json| json.get());
        lines.push(change_line(fact.offset, &fact.key, outcome.command, outcome.at_ms, json));
    }
    lines
}

/// The line of a chunk of a task's log.
pub fn chunk_line(placed: &PlacedChunk) -> String {
    let json = loki_wire::task_log::write_value(&placed.chunk);
    task_log_line(placed.offset, placed.at_ms, &String::from_utf8_lossy(&json))
}

/// What no line of a chunk at or after this offset comes before.
pub fn chunk_key(offset: u64) -> String {
    format!("chunk/{offset:020}")
}

pub(crate) fn task_log_line(position: u64, at_ms: i64, json: &str) -> String {
    format!("{} {{\"at_ms\":{at_ms},\"chunk\":{json}}}", chunk_key(position))
}

pub(crate) fn state_line(key: &impl Display, json: &str) -> String {
    format!("{key} {json}")
}

/// Numbers in keys have 20 digits, so that the order of the bytes is theirs.
pub(crate) fn outcome_line(command: u64, position: u64, json: &str) -> String {
    format!("outcome/{command:020} {{\"position\":{position},\"outcome\":{json}}}")
}

pub(crate) fn change_line(fact: u64, key: &Key, command: u64, at_ms: i64, json: Option<&str>) -> String {
    let data = json.unwrap_or("null");
    format!("change/{fact:020}/{key} {{\"command\":{command},\"at_ms\":{at_ms},\"data\":{data}}}")
}
