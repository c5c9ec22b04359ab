//! The frozen records of `fixtures/`, as the log would give them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use loki_wire::Headers;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A record of the log, and what is special about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) case: String,
    key: Option<String>,
    headers: BTreeMap<String, String>,
    /// Null: the record has no value. The text's bytes are the record's.
    value: Option<Box<RawValue>>,
}

impl Case {
    /// Key, value and headers.
    pub(crate) fn record(&self) -> (Option<Bytes>, Option<Bytes>, Headers) {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), bytes(value))).collect();
        (self.key.as_deref().map(bytes), self.value.as_ref().map(|value| bytes(value.get())), headers)
    }
}

/// A file below the crate's folder.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The records of `fixtures/<name>.json`.
pub(crate) fn cases(name: &str) -> Vec<Case> {
    let path = path(&format!("fixtures/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
