//! Points enter the log, in the two ways in which collectors send them to OpenTSDB: `/api/put` over HTTP, and `put` over telnet.
//!
//! Reads: what collectors send. Writes: `loki.samples`. Promise: a point that was answered as taken lies in the log, durably, in the partition of its
//! series; one that was not is told in the words in which OpenTSDB tells it, because collectors and their operators know those. Never: a second
//! opinion about a point that another one contradicts. The log may hold both; the sink of the time series decides by their order there.
//!
//! To read on: [`point`] says what a point is, [`put`] reads and answers a request, [`append`] makes records, [`telnet`] is a listener of its own.

pub mod append;
pub mod error;
pub mod metrics;
pub mod point;
pub mod put;
pub mod telnet;

pub use append::Intake;
pub use error::Error;
pub use put::{Answer, Put};
pub use telnet::Telnet;
