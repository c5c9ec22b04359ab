//! What the API says when it refuses: `application/problem+json`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// A refusal, with what is wrong and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    pub code: String,
    pub detail: String,
    pub field: Option<String>,
    pub conflict: Option<String>,
    /// From the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}", self.detail, self.code)?;
        if let Some(field) = &self.field {
            write!(out, ", field `{field}`")?;
        }
        if let Some(conflict) = &self.conflict {
            write!(out, ", in the way: `{conflict}`")?;
        }
        out.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_tell_all_that_they_know() {
        let read = |json: &str| serde_json::from_str::<Problem>(json).unwrap().to_string();
        assert_eq!(
            read(r#"{"type":"urn:loki:problem:not_found","title":"Not Found","status":404,"code":"not_found","detail":"no node `/a`"}"#),
            "no node `/a` (not_found)"
        );
        assert_eq!(
            read(r#"{"code":"cannot_undo","detail":"it changed","field":"position","conflict":"node/01"}"#),
            "it changed (cannot_undo, field `position`, in the way: `node/01`)"
        );
    }
}
