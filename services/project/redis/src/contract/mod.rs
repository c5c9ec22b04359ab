//! The suite that every adapter must pass: each case is one promise of a port, run against a world by a macro.
//!
//! Cases wait for conditions, bounded by [`PATIENCE`].

pub mod samples;

use std::time::Duration;

/// How long a case waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);
