//! A finding as a line of JSON: `{"store":"mysql","equal":true,"entries":7}`, `{"store":"mysql","difference":"missing","key":…,"log":…}`, or
//! `{"error":…}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Difference, Finding};

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    equal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl TryFrom<Line> for Finding {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { store, equal, entries, difference, key, log, stored, error } = line;
        match (store, error, equal, difference, key) {
            (_, Some(error), None, None, None) => Ok(Self::Failed { error }),
            (Some(store), None, None, Some(difference), Some(key)) => Ok(Self::Difference { store, difference, key, log, stored }),
            (Some(store), None, Some(equal), None, None) => Ok(Self::Compared { store, equal, entries: entries.unwrap_or_default() }),
            _ => Err("it is neither a difference, nor the end of a store, nor an error"),
        }
    }
}

impl From<Finding> for Line {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Difference { store, difference, key, log, stored } => {
                Self { store: Some(store), difference: Some(difference), key: Some(key), log, stored, ..Self::default() }
            }
            Finding::Compared { store, equal, entries } => {
                Self { store: Some(store), equal: Some(equal), entries: Some(entries), ..Self::default() }
            }
            Finding::Failed { error } => Self { error: Some(error), ..Self::default() },
        }
    }
}
