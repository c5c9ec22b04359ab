//! How an embedded log is opened.

use std::path::PathBuf;
use std::time::Duration;

use loki_runtime::Clock;

/// What an acknowledged record survives. The process' own death it survives always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The machine's death as well: each group commit waits for the disk.
    Machine,
    /// The last ones before a power cut may be lost, whole commits from the end and never one in the middle: the disk is waited for when the file's
    /// write-ahead log is merged into it.
    Process,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Holds the file and its lock; made when it is missing.
    pub directory: PathBuf,
    /// The file is `<name>.db`, its lock `<name>.lock`.
    pub name: &'static str,
    pub durability: Durability,
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
            name: "control",
            durability: Durability::Machine,
            clock: Clock::system(),
            sweep_every: Duration::from_secs(60),
            transaction_idle: Duration::from_secs(10),
            readers: 4,
            max_file_bytes: None,
        }
    }
}
