//! The embedded time-series store, which answers as OpenTSDB does.
//!
//! Writes points into a folder and answers OpenTSDB 2.4's questions about them: [`Store::put`] and [`Store::answer`]. Promise: what was put is
//! on disk when `put` returns, and no crash loses it; a question is answered with OpenTSDB's numbers, statuses and shapes, within limits. It
//! never refuses a late point, and never decides between two values of one instant: the last that is put stays.
//!
//! Everything blocks; callers in async code use `spawn_blocking`. One process has the folder open.

mod answer;
mod config;
mod error;
mod query;
mod store;

pub use answer::{Answer, Request};
pub use config::{Limits, Options};
pub use error::Error;
pub use store::{Dump, Size, Store};
