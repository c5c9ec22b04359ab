//! Outcomes: the one answer to each record of the commands' topic, chained by hash. The audit journal and the history.

pub mod v1;

use bytes::Bytes;
use loki_domain::{Key, Rejection};

use crate::digest::{Digest, sha256};
use crate::envelope::Headers;
use crate::error::Error;

/// The version of the rules by which outcomes are decided now; deciding again compares with it.
pub const RULES: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The command's id: the sender's, or `@c<offset>`.
    pub id: String,
    pub actor: String,
    /// The command's type; empty when it could not be read.
    pub kind: String,
    /// The command's offset.
    pub command: u64,
    /// The log's time at which it was decided, milliseconds since 1970.
    pub at_ms: i64,
    pub rules: u32,
    /// SHA-256 of the previous outcome's bytes; zeros for the first.
    pub previous: Digest,
    /// Of the command's type and data; `None` when they could not be read.
    pub digest: Option<Digest>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// `after`: the position that a reader must have passed to see it; `None` when there was no fact ever.
    Accepted {
        after: Option<u64>,
        facts: Vec<WrittenFact>,
    },
    Rejected(Rejection),
    /// The same id was asked before, at `of`; `first` is what was answered then.
    Duplicate {
        of: u64,
        first: First,
    },
    /// The record could not be read; it lies in the dead letters.
    Dead {
        code: String,
        message: String,
    },
}

/// A fact as its outcome tells it.
#[derive(Debug, Clone)]
pub struct WrittenFact {
    pub key: Key,
    /// Where it lies in the facts' topic.
    pub offset: u64,
    /// The entity's JSON as in the fact; `None`: removed.
    pub json: Option<Box<serde_json::value::RawValue>>,
}

impl PartialEq for WrittenFact {
    fn eq(&self, other: &Self) -> bool {
        let text = |fact: &Self| fact.json.as_ref().map(|json| json.get().to_owned());
        (self.key, self.offset, text(self)) == (other.key, other.offset, text(other))
    }
}

impl Eq for WrittenFact {}

/// The first answer to a repeated command, without the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    Accepted { after: Option<u64> },
    Rejected(Rejection),
}

/// An outcome as it is written.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub value: Bytes,
    pub headers: Headers,
    /// What the next outcome carries as `previous`.
    pub hash: Digest,
}

pub fn write(outcome: &Outcome, traceparent: Option<&str>) -> Encoded {
    let value = Bytes::from(v1::write(outcome));
    let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let mut headers = vec![
        ("ce_specversion".to_owned(), Bytes::from_static(b"1.0")),
        ("ce_id".to_owned(), Bytes::from(format!("c{}", outcome.command))),
        ("ce_source".to_owned(), Bytes::from_static(b"loki/decider")),
        ("ce_type".to_owned(), Bytes::from_static(b"outcome")),
        ("ce_dataschema".to_owned(), Bytes::from_static(b"outcome.command.v1")),
        ("content-type".to_owned(), Bytes::from_static(b"application/json")),
    ];
    if let Some(traceparent) = traceparent {
        headers.push(("traceparent".to_owned(), text(traceparent)));
    }
    let hash = hash(&value);
    Encoded { value, headers, hash }
}

/// The link of the chain: what the outcome after these bytes carries as `previous`.
pub fn hash(value: &[u8]) -> Digest {
    sha256(&[value])
}

/// Reads a record of the outcomes' topic.
pub fn read(value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Outcome, Error> {
    let value = value.ok_or_else(|| Error::Envelope { field: "data", message: "is missing: the record has no value".to_owned() })?;
    match crate::envelope::header(headers, "ce_dataschema")?.as_deref() {
        Some("outcome.command.v1") => v1::read(value),
        other => Err(Error::UnknownVersion(other.unwrap_or_default().to_owned())),
    }
}
