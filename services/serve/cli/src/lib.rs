//! The operators' and CI's client: the commands of the binary `loki` that ask a running Loki.
//!
//! Reads: the query API; inventories. Writes: commands, through the API. Promise: what was asked for goes to standard output and everything else to
//! standard error, the exit code says how it ended, and a command repeated with its id has its effect once. It never touches a store or the log.
//!
//! The binary flattens [`Command`] into its own subcommands and [`Common`] into its flags, and calls [`Command::run`]. Where it can verify and
//! rebuild stores itself it hands an implementation of [`Operations`] to [`Command::run_with`].

mod admin;
mod audit;
pub mod client;
mod command;
mod dead;
mod deploy;
mod duration;
mod emit;
mod events;
mod exit;
mod flags;
pub mod import;
pub mod operations;
mod outcome;
mod output;
mod package;
mod rebuild;
mod servers;
mod status;
mod tree;
mod undo;
mod verify;

pub use admin::{create_owner, write_secret};
pub use client::Client;
pub use command::Command;
pub use exit::{EXIT_CODES, Exit, Failure};
pub use flags::{Common, Session};
pub use operations::Operations;
pub use output::{Format, Output};
