//! What became of a command, as the API tells it.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exit::Exit;
use crate::output::text::printable;

/// How many facts are listed for people; programs get them all.
const FACTS_SHOWN: usize = 20;

#[derive(Debug, Deserialize)]
pub struct Outcome {
    #[serde(default)]
    pub id: String,
    #[serde(rename = "outcome")]
    pub verdict: Verdict,
    /// The command's position, `c17`.
    pub position: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub actor: Option<String>,
    /// Accepted: from this position on its facts can be read.
    pub after: Option<String>,
    #[serde(default)]
    pub facts: Vec<Fact>,
    pub code: Option<String>,
    pub field: Option<String>,
    pub message: Option<String>,
    pub conflict: Option<String>,
    /// The same command was answered before: this is that answer.
    pub duplicate_of: Option<String>,
    #[serde(skip)]
    json: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Rejected,
    Duplicate,
    Dead,
    /// In the log, not decided yet.
    Pending,
}

#[derive(Debug, Deserialize)]
pub struct Fact {
    pub key: String,
    pub position: String,
}

impl Outcome {
    pub(crate) fn with_json(self, json: Box<RawValue>) -> Self {
        Self { json: Some(json), ..self }
    }

    /// The answer as it came.
    pub fn json(&self) -> Option<&RawValue> {
        self.json.as_deref()
    }

    pub fn is_pending(&self) -> bool {
        self.verdict == Verdict::Pending
    }

    pub fn is_accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    /// How to exit when this is what a caller has waited for.
    pub fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Accepted => Exit::Ok,
            Verdict::Pending => Exit::Timeout,
            Verdict::Rejected | Verdict::Dead | Verdict::Duplicate => Exit::Failed,
        }
    }

    /// Code, message, field and what is in the way, of what was not accepted.
    pub fn reason(&self) -> String {
        let mut reason = format!("{}: {}", self.code.as_deref().unwrap_or("no code"), self.message.as_deref().unwrap_or_default());
        if let Some(field) = self.field.as_ref().filter(|field| !field.is_empty()) {
            reason.push_str(&format!(" (field `{field}`)"));
        }
        if let Some(conflict) = &self.conflict {
            reason.push_str(&format!(", in the way: `{conflict}`"));
        }
        printable(&reason)
    }
}

/// For people: one line, and a line for each fact.
impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = if self.duplicate_of.is_some() { ", answered before" } else { "" };
        match self.verdict {
            Verdict::Accepted => {
                write!(out, "accepted {}{before}", self.position)?;
                match &self.after {
                    Some(after) if !self.facts.is_empty() => write!(out, ", to be read after {after}")?,
                    _ => out.write_str(", it was so already")?,
                }
                for fact in self.facts.iter().take(FACTS_SHOWN) {
                    write!(out, "\n  {}  {}", fact.position, fact.key)?;
                }
                match self.facts.len().saturating_sub(FACTS_SHOWN) {
                    0 => Ok(()),
                    more => write!(out, "\n  … {more} more"),
                }
            }
            Verdict::Rejected | Verdict::Duplicate => write!(out, "rejected {}{before}: {}", self.position, self.reason()),
            Verdict::Dead => write!(out, "dead {}: {}", self.position, self.reason()),
            Verdict::Pending => write!(out, "pending {}, id {}", self.position, printable(&self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> String {
        serde_json::from_str::<Outcome>(json).unwrap().to_string()
    }

    #[test]
    fn outcomes_for_people() {
        assert_eq!(
            told(
                r#"{"id":"a","outcome":"accepted","position":"c17","after":"f42","facts":[{"key":"node/1","position":"f41","data":{}}],"rules":1}"#
            ),
            "accepted c17, to be read after f42\n  f41  node/1"
        );
        assert_eq!(told(r#"{"id":"a","outcome":"accepted","position":"c17","facts":[]}"#), "accepted c17, it was so already");
        assert_eq!(
            told(
                r#"{"id":"a","outcome":"rejected","position":"c3","code":"already_exists","field":"path","message":"no","conflict":"node/1","duplicate_of":"c3"}"#
            ),
            "rejected c3, answered before: already_exists: no (field `path`), in the way: `node/1`"
        );
        assert_eq!(told(r#"{"id":"a","outcome":"pending","position":"c3"}"#), "pending c3, id a");
        assert_eq!(
            told(r#"{"id":"a","outcome":"dead","position":"c3","code":"bad_json","message":"x\u001b[2J"}"#),
            "dead c3: bad_json: x\u{fffd}[2J"
        );
    }
}
