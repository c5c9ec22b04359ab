//! OpenTSDB's telnet protocol: a line per command, silence when all is well.
//!
//! `line` reads one command, `server` listens. A connection that sends faster than the log takes is not read from meanwhile: TCP tells its sender.

mod line;
mod server;

pub use server::{Config, Telnet};
