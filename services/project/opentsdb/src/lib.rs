//! The time-series store: OpenTSDB, or the embedded one that answers like it.
//!
//! Reads `loki.samples`. Writes their points to the store, what the store is not to have to `loki.dead`, and points that lie in a wrong partition once
//! more to `loki.samples`. Promise: each good point is in the store once, durable before its offset is committed, and never a second value at an
//! instant of a series, whatever crashes and however often. It never deletes, and never asks the store to choose between values.
//!
//! `port` is what a store must offer and `contract` the suite; `opentsdb` and `embedded` are the stores. `sink` is how samples become points, and
//! `service` runs it. `check` finds what others have written twice, `replay` puts again what the log still holds.

pub mod check;
pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
pub mod error;
pub mod metrics;
pub mod opentsdb;
pub mod port;
mod read;
pub mod replay;
pub mod service;
mod sink;

pub use check::{Conflict, check};
pub use config::{OpenTsdbConfig, SinkConfig};
pub use embedded::Embedded;
pub use error::{Error, StoreError};
pub use opentsdb::OpenTsdb;
pub use port::{Answer, Found, Newest, Refused, Request, SeriesReader, SeriesStore, Why};
pub use replay::{Replay, replay};
pub use service::Sink;
