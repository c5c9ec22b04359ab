//! The service tree's store: ZooKeeper, or this process' memory.
//!
//! Reads facts. Writes one small znode per entity together with the position, in one `multi` per batch of whole commands. Promise: readers see
//! whole batches, never half a command and never an older truth. Never keyed by path: a move is one write.
//!
//! Beside the tree it rings the bells of servers whose tasks have changed (`rings`), for agents that listen to them ([`Bell`]).
//!
//! ZooKeeper must be 3.6 or newer: older servers know neither recursive watches nor several reads in one question, and say so. From 3.9 on
//! an announcement names its transaction, so that readers keep up with a writer that never rests.

mod bell;
pub mod body;
pub mod cache;
pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
pub mod error;
mod follow;
mod forget;
pub mod live;
mod mark;
pub mod memory;
pub mod metrics;
mod multi;
mod paths;
pub mod port;
mod read;
mod rebuild;
mod rebuilding;
mod rings;
pub mod service;
mod session;
mod snapshot;
pub mod view;
mod watch;
pub mod zookeeper;

pub use bell::{Bell, Ring};
pub use cache::Cache;
pub use config::Config;
pub use error::Error;
pub use forget::forget;
pub use memory::{Memory, MemoryProjection};
pub use paths::KINDS;
pub use port::{Answer, Branch, NotReady, Refusal, TreeReader};
pub use rebuilding::rebuilding;
pub use snapshot::dump;
pub use view::View;
pub use zookeeper::ZooKeeperProjection;
