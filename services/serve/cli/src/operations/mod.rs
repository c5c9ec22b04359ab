//! What is done to stores as a whole: verified against the log, and built anew.
//!
//! The commands `loki verify` and `loki rebuild` only show what comes of it. Who does it differs: on the embedded set the running process, asked
//! over HTTP (`over_http`); on the real set the binary itself may, and brings its own [`Operations`].

mod line;
mod over_http;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use over_http::OverHttp;

use crate::exit::Failure;

/// A store that can be built anew from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// Current state, history and the logs of tasks
    Mysql,
    /// Only history and audit
    History,
    /// Only what hooks and scripts have printed
    #[value(name = "task_logs")]
    TaskLogs,
    /// Domains
    #[value(name = "cdn_system")]
    CdnSystem,
    /// The tree
    Zookeeper,
    /// Servers by node, in Redis
    Redis,
    /// The time series: what the log still holds of samples is put again, and nothing is deleted
    Opentsdb,
}

impl Store {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::History => "history",
            Self::TaskLogs => "task_logs",
            Self::CdnSystem => "cdn_system",
            Self::Zookeeper => "zookeeper",
            Self::Redis => "redis",
            Self::Opentsdb => "opentsdb",
        }
    }

    /// The projections that live in it, as the status names them.
    pub fn projections(self) -> &'static [&'static str] {
        match self {
            Self::Mysql => &["mysql", "history", "task_logs"],
            Self::History => &["history"],
            Self::TaskLogs => &["task_logs"],
            Self::CdnSystem => &["cdn_system"],
            Self::Zookeeper => &["zookeeper"],
            Self::Redis => &["redis"],
            Self::Opentsdb => &["opentsdb"],
        }
    }
}

/// What a comparison of a store with the log has found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "line::Line", into = "line::Line")]
pub enum Finding {
    /// An entry that is not as the log says.
    Difference {
        store: String,
        difference: Difference,
        key: String,
        /// As the log says; absent where the log knows of no such entry.
        log: Option<Box<RawValue>>,
        stored: Option<Box<RawValue>>,
    },
    /// The end of a store's comparison.
    Compared { store: String, equal: bool, entries: u64 },
    /// A store that could not be compared.
    Failed { error: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    Missing,
    Extra,
    Different,
}

/// How far the projections of a store are in being built: positions applied, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub done: u64,
    pub of: u64,
}

/// The answer to `POST /v1/operations/rebuild/{projection}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request's number in that process.
    pub request: u64,
}

/// The answer to `GET /v1/operations/rebuild/{projection}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilding {
    /// The newest request.
    pub wanted: u64,
    /// The newest request whose rebuild is finished.
    pub rebuilt: u64,
    /// Where the rebuild in hand is; absent when there is none.
    pub position: Option<u64>,
    pub end: Option<u64>,
    /// The log's time of the oldest record that the last one found, of stores that hold more than the log does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
}

/// Takes what is found, one by one; an error ends the work.
pub type OnFinding<'f> = dyn FnMut(Finding) -> Result<(), Failure> + Send + 'f;

/// Is told how far a rebuild is, now and then.
pub type OnProgress<'f> = dyn FnMut(Built) + Send + 'f;

#[async_trait]
pub trait Operations: Send + Sync {
    /// Compares every store with the log. Each difference is a finding, and each store ends with [`Finding::Compared`].
    async fn verify(&self, on_finding: &mut OnFinding<'_>) -> Result<(), Failure>;

    /// Builds a store anew and returns once it can be read again. Of a store that holds more than the log does, it gives the log's time from which on
    /// it is as the log says.
    async fn rebuild(&self, store: Store, on_progress: &mut OnProgress<'_>) -> Result<Option<i64>, Failure>;
}
