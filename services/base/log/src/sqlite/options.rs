//! How an embedded log is opened.

use std::path::PathBuf;
use std::time::Duration;

use loki_runtime::Clock;

#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `control.db` and `control.lock`; made when it is missing.
    pub directory: PathBuf,
    /// Dates records and decides what is old.
    pub clock: Clock,
    /// How often compaction and retention run.
    pub sweep_every: Duration,
    /// A transaction that is idle for longer is aborted: meanwhile nobody else can append to its partitions.
    pub transaction_idle: Duration,
    /// Connections that read.
    pub readers: u32,
    /// The file grows no further; appends are then refused with `Away` until retention or compaction has made room. `None`: the disk decides.
    pub max_file_bytes: Option<u64>,
}

impl Options {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            clock: Clock::system(),
            sweep_every: Duration::from_secs(60),
            transaction_idle: Duration::from_secs(10),
            readers: 4,
            max_file_bytes: None,
        }
    }
}
