//! The decider: reads `loki.commands`, writes `loki.facts`, `loki.outcomes`, `loki.dead`, and follow-up commands.
//!
//! **Promise.** Every record of `loki.commands` gets exactly one outcome, in order: accepted, rejected, duplicate or dead. Facts, outcomes,
//! dead letters, follow-ups and the group's position become visible in one transaction. Deciding is the pure crate `loki-core`; here is what
//! it takes to run it safely: one active decider, fenced, the others standing by.
//!
//! **One trip of a batch.** `seat` keeps the place in the group and gathers records; `intake` reads them; `book` decides them on the state,
//! keeping a journal of undos; `answer` turns decisions into records; `transact` writes them, and redoes or gives up as the log's errors ask.
//! `restore` rebuilds the book from the log when this process takes over. `lag` says how far behind it is. `service` is the loop around all of it.
//!
//! It never reads a clock for a decision (the log's time is the time), never skips a record, and never goes on with a state that the log
//! does not confirm.

pub mod answer;
pub mod book;
pub mod config;
pub mod error;
pub mod intake;
mod lag;
pub mod metrics;
mod restore;
mod seat;
mod service;
mod transact;

pub use config::Config;
pub use error::Error;
pub use service::Decider;
