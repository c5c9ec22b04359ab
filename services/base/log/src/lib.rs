//! The event log: append, read, transact.
//!
//! `port` holds the promise as traits and doc comments; `kafka` and `sqlite` keep it, and for tests `memory`; `contract` (feature `contract`) is the
//! one suite that all must pass. Nothing here knows what a record means: keys, values and headers are bytes.

#[cfg(feature = "contract")]
pub mod contract;
pub mod declared;
pub mod error;
pub mod kafka;
#[cfg(feature = "contract")]
pub mod memory;
pub mod metrics;
mod plan;
pub mod port;
pub mod record;
#[cfg(feature = "contract")]
pub mod recording;
pub mod sqlite;
pub mod topic;

pub use declared::{Declared, declared};
pub use error::{Class, Error, Result};
pub use port::{Event, Log, Member, Reader, Writer};
pub use record::{Batch, Bounds, Committed, Group, NOTE_BYTES_MAX, NewRecord, Partition, Record};
pub use topic::{Cleanup, Timestamp, Topic, TopicChange, TopicSpec};
