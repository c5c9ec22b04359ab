//! The binary as its operators meet it: what it says, how it ends.

#![allow(clippy::disallowed_methods, reason = "tests look at the clock")]

mod backends_away;
mod ci;
mod deploys;
mod interrupts;
mod logs;
mod loki;
mod operations;
mod output;
mod ports;
mod refusals;
mod settings;
mod shutdown;
mod this_machine;
