//! The relational store: facts, outcomes and tasks' logs as rows of MySQL (or MariaDB), or of one SQLite file for each database.
//!
//! Reads `loki.facts`, `loki.outcomes` and `loki.task-logs`; writes nothing else than its own tables. Four projections, each with its own tables, position and
//! rebuild:
//!
//! - `mysql`: the current state, from facts;
//! - `history`: the audit and every version of every entity, from outcomes;
//! - `task_logs`: what hooks and scripts have printed, from the chunks of their logs, as far as they are kept;
//! - `cdn_system`: domains, from facts, in a database of its own. It keeps the nodes as well, so that a question about a part of the tree is
//!   answered from one snapshot.
//!
//! **Promise.** A batch and its position are written in one transaction, which happens only if the store is exactly where the batch begins
//! ([`store`]); a rebuild fills shadow tables and swaps them all at once; readers ([`port`]) answer from one snapshot together with its position,
//! and say "not ready" rather than anything older or emptier than the truth.
//!
//! **Never.** No constraint across entities (a compacted log passes through states that never were), nothing keyed by path, no DDL outside
//! `migrations/`.

pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
mod database;
pub mod error;
pub mod metrics;
pub mod port;
pub mod schema;
pub mod store;

mod mysql;
mod read;
mod sql;
mod sqlite;
mod tables;
mod write;

pub use config::Config;
pub use database::Database;
pub use error::{ConfigError, MigrateError};
pub use read::{Readers, domain_reader};
pub use schema::{Grants, migrate};
pub use store::forget::{AskError, Projected, forget, rebuilding};
pub use store::{DomainProjection, HistoryProjection, StateProjection, TaskLogProjection};
pub use write::{Retained, chunk_key, chunk_line, entity_line, outcome_lines};
