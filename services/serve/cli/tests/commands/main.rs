//! The commands as a caller sees them: arguments in, output and exit code out. Against `scripted`, which answers as each case says, and
//! `memory`, a small Loki that decides with the real rules.

mod dead;
mod deploy;
mod emit;
mod events;
mod import;
mod memory;
mod operations;
mod reach;
mod reads;
mod run;
mod scripted;
mod tls;
mod undo;
