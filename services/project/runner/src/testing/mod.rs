//! Stand-ins for tests of the loop and of stores: a log and a store in memory that fail on command. Never part of a release (feature `testing`).

mod facts;
mod store;

pub use loki_log::memory::MemoryLog;

pub use facts::{command, fold, log_id, node, opening, removal};
pub use store::{Fault, Generation, MemoryProjection, MemoryStore};
