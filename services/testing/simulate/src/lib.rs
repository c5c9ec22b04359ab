//! The whole platform in one process, on one thread and on time that is paused, under faults that a seed chooses.
//!
//! What runs is what runs in production: deciders, projections' loops, the sink, the samples' projector. What they stand on is in memory, and fails:
//!
//! - `chaos` is between them and the log: each call may be late, may fail without its effect or after it, and may be the last of its process, before
//!   its effect or after it. So a process dies between any two of its steps.
//! - `world` has the log, the stores and the processes, and what is done to them from outside: killed, held still, emptied, set back to an older
//!   copy, clocks that jump, partitions that are taken away, a log that is compacted.
//! - `load` sends commands and samples, until each is acknowledged, and remembers what was.
//! - `course` does all this for some steps, lets everything come to rest, and asks `check` after every step and at the end.
//!
//! Whether it would find anything is asked as well: `planted` puts known bugs into a copy of the sources, and each has to be found.
//!
//! The same seed gives the same course, so that a failure can be looked at again: `make simulate SEED=… STEPS=…`.

mod chaos;
mod check;
mod course;
mod load;
mod world;

pub use course::{Failure, Summary, run};
