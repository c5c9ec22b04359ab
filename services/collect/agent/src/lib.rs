//! On each host: what the host is, and what it measures.
//!
//! Reads: this machine, and what the API knows of it. Writes: commands and samples, both through the API alone; connections go outwards only.
//! Promise: a measured round is sent, or lies in the spool until it can be, or is counted as lost; what is sent twice has its effect once.
//!
//! The agent is a few parts beside each other, each with a `run` that ends at shutdown, an entry in the standing of the whole, and no knowledge
//! of the others; [`service`] builds them in straight lines, and one more part is one more line there:
//!
//! - [`register`] tells the API what this machine is (`identity`), and looks now and then whether that is still so.
//! - [`measure`] takes a reading at each full round of the wall clock and makes samples of it.
//! - [`deliver`] sends them; what cannot be sent goes to the [`spool`], and from there when the API is back.
//! - [`tasks`] waits for tasks of deploys, at the API or for the ring of a [`Bell`], has them carried out by [`loki_executor`], and tells what became of them.
//!
//! Presence is the sample `host.up` of each round. It is no command: commands are kept for ever.

mod batch;
mod commands;
pub mod config;
mod deliver;
pub mod error;
mod identity;
mod measure;
pub mod metrics;
mod register;
pub mod service;
mod spool;
mod tasks;

pub use config::{Config, Deploys};
pub use error::Error;
pub use loki_executor::Limits;
pub use service::Agent;
pub use tasks::{Bell, Bells, Ring};
