//! Facts: the whole new state of one entity, or its removal. Key: the entity's key; removal: no value.
//!
//! Headers say which command caused it and whether it is that command's last fact. A reader ignores fields that it does not know; a type or
//! version that it does not know stops it: skipping would be divergence.

pub mod v1;

use bytes::Bytes;
use loki_domain::{Entity, Key, LogId};

use crate::envelope::{Headers, header};
use crate::error::Error;

/// The key under which the log's id lies in the facts' topic.
pub const LOG_KEY: &str = "log";

/// A fact as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub offset: u64,
    /// The offset of the command that caused it.
    pub command: u64,
    /// No further fact of this command follows.
    pub last: bool,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The log's own id, written once.
    Log(LogId),
    Set(Entity),
    Removed(Key),
}

impl Change {
    /// The key in the log.
    pub fn log_key(&self) -> String {
        match self {
            Self::Log(_) => LOG_KEY.to_owned(),
            Self::Set(entity) => entity.key().to_string(),
            Self::Removed(key) => key.to_string(),
        }
    }

    /// The entity's key; `None` for the log's id.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Log(_) => None,
            Self::Set(entity) => Some(entity.key()),
            Self::Removed(key) => Some(*key),
        }
    }
}

/// A fact as it is written: key, value and headers.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub key: Bytes,
    pub value: Option<Bytes>,
    pub headers: Headers,
}

/// Writes one fact of the command at `command`; `index` counts within the command.
pub fn write(change: &Change, command: u64, index: usize, last: bool, traceparent: Option<&str>) -> Encoded {
    let key = change.log_key();
    let kind = change.key().map_or("log", |key| key.kind().as_str());
    let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let mut headers = vec![
        ("ce_specversion".to_owned(), Bytes::from_static(b"1.0")),
        ("ce_id".to_owned(), Bytes::from(format!("c{command}.{index}"))),
        ("ce_source".to_owned(), Bytes::from_static(b"loki/decider")),
        ("ce_type".to_owned(), text(kind)),
        ("ce_dataschema".to_owned(), Bytes::from(format!("fact.{kind}.v1"))),
        ("ce_command".to_owned(), Bytes::from(command.to_string())),
        ("ce_last".to_owned(), Bytes::from_static(if last { b"true" } else { b"false" })),
        ("content-type".to_owned(), Bytes::from_static(b"application/json")),
    ];
    if let Some(traceparent) = traceparent {
        headers.push(("traceparent".to_owned(), text(traceparent)));
    }
    Encoded { key: text(&key), value: v1::write(change).map(Bytes::from), headers }
}

/// Reads a record of the facts' topic.
pub fn read(offset: u64, key: Option<&Bytes>, value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Fact, Error> {
    let key = key
        .and_then(|key| std::str::from_utf8(key).ok())
        .ok_or_else(|| Error::Envelope { field: "key", message: "is missing".to_owned() })?;
    let number = |name: &'static str| -> Result<u64, Error> {
        let text = header(headers, name)?.ok_or_else(|| Error::Envelope { field: name, message: "is missing".to_owned() })?;
        text.parse().map_err(|_| Error::Envelope { field: name, message: format!("`{}` is no offset", text.escape_default()) })
    };
    let command = number("ce_command")?;
    let last = header(headers, "ce_last")?.as_deref() == Some("true");
    let change = match value {
        None => Change::Removed(key.parse().map_err(|invalid: loki_domain::Invalid| Error::Envelope { field: "key", message: invalid.0 })?),
        Some(value) => {
            let schema = header(headers, "ce_dataschema")?.unwrap_or_default();
            let kind =
                schema.strip_prefix("fact.").and_then(|rest| rest.strip_suffix(".v1")).ok_or(Error::UnknownVersion(schema.clone()))?;
            let change = v1::read(kind, value)?;
            if change.log_key() != key {
                return Err(Error::Envelope { field: "key", message: format!("`{}` is not the key of its value", key.escape_default()) });
            }
            change
        }
    };
    Ok(Fact { offset, command, last, change })
}
