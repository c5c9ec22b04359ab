//! What the decider promises, against any log: `sqlite.rs` and `kafka.rs` call each of these with a [`Site`] of their own.

mod faults;
mod journal;
mod scenes;
mod site;

pub(crate) use journal::check;
pub(crate) use scenes::*;
pub(crate) use site::{Site, until};
