//! A finding as a line of JSON: `{"store":"mysql","equal":true,"entries":7}`, or `{"store":"mysql","difference":"missing","key":…,"log":…}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Difference, Finding};

#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    store: String,
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
}

impl TryFrom<Line> for Finding {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { store, equal, entries, difference, key, log, stored } = line;
        match (difference, key, equal) {
            (Some(difference), Some(key), None) => Ok(Self::Difference { store, difference, key, log, stored }),
            (None, None, Some(equal)) => Ok(Self::Compared { store, equal, entries: entries.unwrap_or_default() }),
            _ => Err("it has neither `difference` and `key` nor `equal`"),
        }
    }
}

impl From<Finding> for Line {
    fn from(finding: Finding) -> Self {
        let none = Self { store: String::new(), equal: None, entries: None, difference: None, key: None, log: None, stored: None };
        match finding {
            Finding::Difference { store, difference, key, log, stored } => {
                Self { store, difference: Some(difference), key: Some(key), log, stored, ..none }
            }
            Finding::Compared { store, equal, entries } => Self { store, equal: Some(equal), entries: Some(entries), ..none },
        }
    }
}
