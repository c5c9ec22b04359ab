//! On each host: carries out one task at a time of each package, until the host is as the task's document wants it.
//!
//! Reads: signed documents, archives. Writes: its own folder, in which releases and the journal lie, and nothing else of the host; what hooks do
//! is theirs. Promise: a document that is carried out again has its effect once; after a kill in any phase it goes on where it was, and each
//! hook has run once; what fails after the old release was told to stop goes back to it. It never asks the API anything but archives.
//!
//! [`accept`] says whether a document is one to carry out. [`executor`] keeps tasks of one package apart and gives each a [`course`], which
//! remembers in the [`journal`] how far it is; [`release`] is the order of the steps of a deploy, one file each: [`fetch`], [`unpack`], [`hook`],
//! [`unit`], [`health`], [`back`], [`prune`]. [`script`] is the other kind of task. What they print is kept by [`output`], and [`ship`] remembers
//! how much of it was sent to the API, by the agent.
//!
//! A hook outlives the process that began it. It runs in a session of its own under a few lines of shell, which write its status down; who comes
//! later waits for that. So systemd must not end the agent's children with the agent: the agent's unit has `KillMode=process`, which daemons
//! that a `start` hook leaves behind need anyhow.

pub mod accept;
mod back;
pub mod config;
mod course;
mod deadline;
mod durable;
pub mod error;
pub mod executor;
mod fetch;
mod health;
mod hook;
mod installed;
mod journal;
mod layout;
mod locks;
pub mod metrics;
mod minisign;
pub mod output;
mod prune;
mod release;
mod script;
mod ship;
pub mod task;
mod unit;
mod unpack;
mod user;

pub use accept::Accepted;
pub use config::{Config, Fetch, Limits};
pub use error::{Error, Refused};
pub use executor::Executor;
pub use output::Output;
pub use ship::{CHUNK_BYTES_MAX, Chunk, Unshipped};
pub use task::{Outcome, Step, Task};
