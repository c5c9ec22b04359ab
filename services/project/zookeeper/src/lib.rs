//! The service tree's store: ZooKeeper, or this process' memory.
//!
//! Reads facts. Writes one small znode per entity together with the position, in one `multi` per batch of whole commands. Promise: readers see
//! whole batches, never half a command and never an older truth. Never keyed by path: a move is one write.

pub mod body;
pub mod live;
pub mod memory;
pub mod port;
pub mod view;

pub use memory::{Memory, MemoryProjection};
pub use port::{Answer, Branch, Encoded, NotReady, Refusal, TreeReader};
pub use view::View;
