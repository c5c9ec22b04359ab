//! The query API: takes commands in and answers questions.
//!
//! Reads: the outcomes and the dead letters (one tail of each per process), and the stores through their readers. Writes: commands, replayed dead
//! letters, and the removal of one that was replayed or dropped, to the log; never to a store. Promise: a command is acknowledged only when it is
//! durable; an answer is never older than one given before, and while a store cannot tell the truth the answer is 503.

mod artifact;
mod auth;
mod command;
pub mod config;
mod connections;
mod console;
mod dead;
mod deploy;
mod domain;
mod entity;
pub mod error;
mod events;
mod extract;
mod floor;
mod gate;
mod history;
mod limit;
mod metrics;
mod node;
mod observe;
mod openapi;
mod origin;
mod problem;
mod read;
mod router;
mod sample;
mod series;
mod server;
pub mod service;
mod status;
pub mod tail;
mod tree;
mod wait;

pub use config::Config;
pub use error::Error;
pub use problem::Problem;
pub use router::openapi;
pub use service::{Api, App, Sources};
