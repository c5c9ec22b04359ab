//! What travels on the topics: the only serde types of events.
//!
//! `envelope` reads and writes CloudEvents around the data; `command`, `fact` and `outcome` hold one file per published version, frozen once
//! released; `dead` keeps what could not be read; `task_log` is what hooks and scripts print. `schema` lists every type with its JSON Schema (checked in under `schemas/`).
//! `mounted` is no event: it is the one answer that two stores must give byte for byte.
//! Intake (commands) refuses unknown fields; readers (facts, outcomes) ignore them.

mod body;
pub mod command;
#[cfg(feature = "contract")]
pub mod contract;
pub mod dead;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod fact;
mod json;
pub mod mounted;
pub mod outcome;
pub mod sample;
pub mod schema;
mod shape;
pub mod signature;
pub mod task;
pub mod task_log;
pub mod topics;

pub use body::CommandBody;
pub use command::Intake;
pub use dead::{DeadLetter, DeadReason};
pub use envelope::{Envelope, Headers};
pub use error::Error;
pub use fact::{Change, Fact};
pub use outcome::{First, Outcome, Verdict, WrittenFact};
pub use topics::Topics;
