//! What the API needs to know.

use std::net::SocketAddr;
use std::time::Duration;

use loki_runtime::Secret;

#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// When set, every route but the health ones asks for it.
    pub token: Secret,
    pub body_max: usize,
    /// The largest archive.
    pub artifact_max: u64,
    /// The most that a request waits for `?wait=` and `?after=`, whatever it asks for.
    pub wait_max: Duration,
    /// Requests in hand, those of agents left out.
    pub concurrency_max: usize,
    /// Agents that ask for their tasks at once.
    pub agents_max: usize,
    /// Connections at once, idle ones and event streams included.
    pub connections_max: usize,
    /// How long requests in hand may take at shutdown.
    pub drain: Duration,
}
