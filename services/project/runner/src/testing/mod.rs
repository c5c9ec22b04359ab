//! Stand-ins for tests of the loop and of stores: a log and a store in memory that fail on command. Never part of a release (feature `testing`).

mod facts;
mod log;
mod log_member;
mod store;

pub use facts::{command, fold, log_id, node, opening, removal};
pub use log::MemoryLog;
pub use store::{Fault, Generation, MemoryProjection, MemoryStore};
