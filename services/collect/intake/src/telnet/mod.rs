//! OpenTSDB's telnet protocol: a line per command, silence when all is well.
//!
//! `line` reads one command, `lines` cuts what arrives, `server` listens. A connection that sends faster than the log takes is not read from
//! meanwhile: TCP tells its sender.

mod line;
mod lines;
mod server;

pub use lines::{Lines, Said};
pub use server::{Config, Telnet};
