//! Topics: their names and their declared shape (`topics/*.toml`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A topic's full name, prefix included. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// Kept for `retention_ms`, or for ever when that is absent.
    Delete,
    /// The newest record of each key is kept; a removal is kept for `delete_retention_ms`.
    Compact,
}

/// Who dates a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamp {
    /// The producer (Kafka: `CreateTime`).
    Create,
    /// The log, when it appends (Kafka: `LogAppendTime`).
    Append,
}

/// A topic as it is declared. Times in milliseconds; absent means for ever (retention) or the log's default (the others).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// Full name, prefix included, once it is resolved; without it in the file.
    pub name: String,
    pub partitions: u32,
    pub replication: u16,
    pub min_insync_replicas: u16,
    pub cleanup: Cleanup,
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_retention_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_compaction_lag_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_ms: Option<u64>,
    pub max_message_bytes: u32,
}

impl TopicSpec {
    /// One replica, records of up to 1 MiB with the log's times, kept for ever; the rest is the log's default.
    pub fn new(name: impl Into<String>, partitions: u32) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication: 1,
            min_insync_replicas: 1,
            cleanup: Cleanup::Delete,
            timestamp: Timestamp::Append,
            retention_ms: None,
            delete_retention_ms: None,
            min_compaction_lag_ms: None,
            segment_ms: None,
            max_message_bytes: 1 << 20,
        }
    }
}

/// One difference between the declared topics and the log's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum TopicChange {
    Create {
        topic: String,
    },
    /// A setting to be altered in place.
    Alter {
        topic: String,
        setting: String,
        from: String,
        to: String,
    },
    /// A difference that is never applied (partition count, replication factor): the reason says what to do.
    Refuse {
        topic: String,
        setting: String,
        from: String,
        to: String,
        reason: String,
    },
}
