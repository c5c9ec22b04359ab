//! What a command changes: `decide(state, command) -> facts | rejection` and `State::evolve(fact)`.
//!
//! Pure: no I/O, no clock, no serialisation, no randomness, and an order of iteration that is always the same. Time and ids are arguments or
//! derive from them, so deciding a journal again gives the same facts. Read `state` first (what is known), then `decide` (what may change),
//! then `invariants` (what always holds). `ids` is the table that makes a repeated command harmless.

pub mod decide;
#[cfg(feature = "generate")]
pub mod generate;
pub mod identity;
pub mod ids;
pub mod invariants;
pub mod state;

pub use decide::{Decision, FACTS_MAX, Fact, decide, subject};
pub use identity::Origin;
pub use ids::{First, IdKey, IdUndo, Ids, REMEMBERED_MS, Seen};
pub use state::{State, Undo};
