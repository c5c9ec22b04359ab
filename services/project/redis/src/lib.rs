//! The live state, in Redis: what was last, who is there, and which servers are on a node.
//!
//! Two projections share a server and nothing else, each under keys of its own:
//!
//! - [`samples`] follows `loki.samples`, partition by partition: the last value of each series, and when each host was heard last. Its other adapter
//!   is this process' memory.
//! - [`facts`] follows `loki.facts`, through the loop of `loki-runner`: servers by node, the question of 95 in 100 requests.
//!
//! Promise: data and position are written by one script, which compares log and position first; a store that was emptied, set back or partly deleted
//! is not read, and is filled again. Both refuse a server whose `maxmemory-policy` is not `noeviction`, since that would throw away parts. A
//! server that is full, loading, a replica or away is waited for.
//!
//! Never: a write outside of a script, a key that another projection knows, a step that takes long while others wait. Sessions may share the server
//! under another prefix; they are no projection.
//!
//! Redis must be 6.2 or newer. All keys of what is written together have the same hash tag, but a server that is part of a cluster is refused: moved
//! slots would have to be followed.

mod config;
mod connection;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
pub mod facts;
mod keys;
pub mod metrics;
pub mod samples;

pub use config::Config;
pub use error::Error;
