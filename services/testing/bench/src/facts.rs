//! The facts that the rebuilds read: those of an inventory of some 68,000 servers, as the decider would have written them.

use anyhow::{Context, Result};
use loki_core::generate::inventory;
use loki_core::{State, decide};
use loki_domain::LogId;
use loki_log::NewRecord;
use loki_wire::{Change, fact};

pub(crate) const FACTS: usize = 200_000;

/// A fact with the command that caused it.
pub(crate) struct Made {
    pub(crate) change: Change,
    command: u64,
    index: usize,
    last: bool,
}

/// Facts of whole commands.
pub(crate) fn make() -> Result<Vec<Made>> {
    let mut state = State::default();
    let mut made = vec![Made { change: Change::Log(LogId::from_digest(&[7; 32])), command: 0, index: 0, last: true }];
    for (command, asked) in (1..).zip(inventory(2_000, 68_000, 10)) {
        let decision = decide(&state, &asked.command, &asked.origin(), 0).ok().context("the inventory is not accepted")?;
        let count = decision.facts.len();
        for (index, (key, entity)) in decision.facts.into_iter().enumerate() {
            let change = entity.clone().map_or(Change::Removed(key), Change::Set);
            made.push(Made { change, command, index, last: index + 1 == count });
            drop(state.evolve(key, entity));
        }
        if made.len() >= FACTS {
            return Ok(made);
        }
    }
    anyhow::bail!("the inventory has only {} facts", made.len())
}

pub(crate) fn records(made: &[Made]) -> Vec<NewRecord> {
    let record = |made: &Made| {
        let encoded = fact::write(&made.change, made.command, made.index, made.last, None);
        NewRecord { key: Some(encoded.key), value: encoded.value, headers: encoded.headers, timestamp_ms: None }
    };
    made.iter().map(record).collect()
}
