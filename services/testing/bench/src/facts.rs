//! Facts of an inventory, as the decider would have written them, and how a store is filled with them directly.

use anyhow::{Context, Result};
use loki_core::generate::{Asked, inventory};
use loki_core::{State, decide};
use loki_domain::LogId;
use loki_log::NewRecord;
use loki_runner::{Batch, Projection, State as StoreState, Target};
use loki_wire::{Change, Fact, fact};

/// Those that the rebuilds read.
pub(crate) const FACTS: usize = 200_000;
/// Filled in batches of about so many: no store takes long for one.
const BATCH: usize = 500;

/// A fact with the command that caused it.
pub(crate) struct Made {
    pub(crate) change: Change,
    command: u64,
    index: usize,
    last: bool,
}

/// At least [`FACTS`], of an inventory of some 68,000 servers.
pub(crate) fn make() -> Result<Vec<Made>> {
    let made = decided(inventory(2_000, 68_000, 10), FACTS)?;
    anyhow::ensure!(made.len() >= FACTS, "the inventory has only {} facts", made.len());
    Ok(made)
}

/// All of an inventory.
pub(crate) fn of(commands: Vec<Asked>) -> Result<Vec<Made>> {
    decided(commands, usize::MAX)
}

/// Facts of whole commands, until there are so many.
fn decided(commands: Vec<Asked>, enough: usize) -> Result<Vec<Made>> {
    let mut state = State::default();
    let mut made = vec![Made { change: Change::Log(log()), command: 0, index: 0, last: true }];
    for (command, asked) in (1..).zip(commands) {
        let decision = decide(&state, &asked.command, &asked.origin(), 0).ok().context("the inventory is not accepted")?;
        let count = decision.facts.len();
        for (index, (key, entity)) in decision.facts.into_iter().enumerate() {
            let change = entity.clone().map_or(Change::Removed(key), Change::Set);
            made.push(Made { change, command, index, last: index + 1 == count });
            drop(state.evolve(key, entity));
        }
        if made.len() >= enough {
            break;
        }
    }
    Ok(made)
}

pub(crate) fn records(made: &[Made]) -> Vec<NewRecord> {
    let record = |made: &Made| {
        let encoded = fact::write(&made.change, made.command, made.index, made.last, None);
        NewRecord { key: Some(encoded.key), value: encoded.value, headers: encoded.headers, timestamp_ms: None }
    };
    made.iter().map(record).collect()
}

/// Puts them into an empty store, without a log and its loop.
pub(crate) async fn fill(projection: &mut impl Projection<Item = Fact>, made: &[Made]) -> Result<()> {
    projection.begin_rebuild(log(), 0).await?;
    let mut batch = Vec::new();
    for (offset, made) in (0..).zip(made) {
        batch.push(Fact { offset, command: made.command, last: made.last, change: made.change.clone() });
        // a batch ends with a command
        if made.last && batch.len() >= BATCH {
            apply(projection, &mut batch).await?;
        }
    }
    apply(projection, &mut batch).await?;
    projection.finish_rebuild(log(), made.len() as u64, 0).await?;
    Ok(())
}

async fn apply(projection: &mut impl Projection<Item = Fact>, facts: &mut Vec<Fact>) -> Result<()> {
    if let (Some(first), Some(last)) = (facts.first(), facts.last()) {
        let (from, to) = (first.offset, last.offset + 1);
        let batch = Batch { log: log(), target: Target::Shadow, from, to, items: facts, state: StoreState::Building, ended_ms: None };
        projection.apply(batch).await?;
        facts.clear();
    }
    Ok(())
}

fn log() -> LogId {
    LogId::from_digest(&[7; 32])
}
