//! Streams of random commands, the same for the same seed: for tests, simulations and benchmarks.
//!
//! `Wild` asks for anything, much of it impossible, with repetitions and reused ids; every value is one that a sender can write. `Everyday` is
//! what a running platform sees: nearly all of it can be carried out.

mod everyday;
mod random;
mod wild;

use loki_domain::Command;

use crate::Origin;

pub use everyday::{Everyday, inventory};
pub use random::Random;
pub use wild::Wild;

/// A command with its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub actor: String,
    pub id: String,
    pub command: Command,
}

impl Asked {
    pub fn origin(&self) -> Origin<'_> {
        Origin::new(&self.actor, &self.id)
    }
}
