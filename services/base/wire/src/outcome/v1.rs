//! Version 1 of an outcome. The same JSON answers `GET /v1/commands/{id}`.

use loki_domain::{Code, Position, Rejection, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{First, Outcome, Verdict, WrittenFact};
use crate::digest::{from_hex, to_hex};
use crate::error::{At, Error};
use crate::json::read_json;
use crate::shape;

/// The answer to one command.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    pub id: String,
    /// `accepted`, `rejected`, `duplicate` or `dead`.
    pub outcome: Kind,
    /// The command's position, `c17`.
    #[schemars(with = "shape::CommandPosition")]
    pub position: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// Who asked.
    #[schemars(extend("x-loki-personal" = true))]
    pub actor: String,
    /// When it was decided, by the log's clock: milliseconds since 1970.
    pub at_ms: i64,
    /// The version of the rules.
    pub rules: u32,
    /// SHA-256 of the previous outcome.
    #[schemars(with = "shape::Sha256")]
    pub previous: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Sha256>")]
    pub digest: Option<String>,
    /// Accepted: the position after which its facts can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::FactPosition>")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Vec<Fact>>,
    /// Rejected or dead: a stable code. There will be more of them: take one that you do not know for a refusal like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The key of what is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Key>")]
    pub conflict: Option<String>,
    /// Duplicate: the position of the command that was answered first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::CommandPosition>")]
    pub duplicate_of: Option<String>,
    /// Duplicate: that answer, `accepted` or `rejected`; `after`, or `code`, `field`, `message` and `conflict`, are then the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Accepted,
    Rejected,
    Duplicate,
    Dead,
}

/// A fact of an accepted command.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// `node/<id>`.
    #[schemars(with = "shape::Key")]
    pub key: String,
    #[schemars(with = "shape::FactPosition")]
    pub position: String,
    /// The entity as the fact's schema says, personal fields with it; null: removed.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>", extend("x-loki-personal" = true))]
    pub data: Option<Box<RawValue>>,
}

pub(super) fn write(outcome: &Outcome) -> Vec<u8> {
    let mut v = Command {
        id: outcome.id.clone(),
        outcome: Kind::Dead,
        position: Position::command(outcome.command).to_string(),
        kind: outcome.kind.clone(),
        actor: outcome.actor.clone(),
        at_ms: outcome.at_ms,
        rules: outcome.rules,
        previous: to_hex(&outcome.previous),
        digest: outcome.digest.map(|digest| to_hex(&digest)),
        after: None,
        facts: None,
        code: None,
        field: None,
        message: None,
        conflict: None,
        duplicate_of: None,
        first: None,
    };
    match &outcome.verdict {
        Verdict::Accepted { after, facts } => {
            v.outcome = Kind::Accepted;
            v.after = after.map(|offset| Position::fact(offset).to_string());
            v.facts = Some(facts.iter().map(write_fact).collect());
        }
        Verdict::Rejected(rejection) => {
            v.outcome = Kind::Rejected;
            v.reject(rejection);
        }
        Verdict::Duplicate { of, first } => {
            v.outcome = Kind::Duplicate;
            v.duplicate_of = Some(Position::command(*of).to_string());
            match first {
                First::Accepted { after } => {
                    v.first = Some(Kind::Accepted);
                    v.after = after.map(|offset| Position::fact(offset).to_string());
                }
                First::Rejected(rejection) => {
                    v.first = Some(Kind::Rejected);
                    v.reject(rejection);
                }
            }
        }
        Verdict::Dead { code, message } => {
            v.code = Some(code.clone());
            v.message = Some(message.clone());
        }
    }
    // strings, numbers and raw JSON always serialise
    serde_json::to_vec(&v).unwrap_or_default()
}

impl Command {
    fn reject(&mut self, rejection: &Rejection) {
        self.code = Some(rejection.code.as_str().to_owned());
        self.field = Some(rejection.field.clone());
        self.message = Some(rejection.message.clone());
        self.conflict.clone_from(&rejection.conflict);
    }

    fn rejection(&self) -> Result<Rejection, Error> {
        Ok(Rejection {
            // one that a later decider has added is passed on as it is: it says why, and nothing here depends on it
            code: Code::read(self.code.as_deref().unwrap_or_default()).at("code")?,
            field: self.field.clone().unwrap_or_default(),
            message: self.message.clone().unwrap_or_default(),
            conflict: self.conflict.clone(),
        })
    }
}

pub(super) fn read(json: &[u8]) -> Result<Outcome, Error> {
    let v: Command = read_json(json)?;
    let verdict = match v.outcome {
        Kind::Accepted => Verdict::Accepted {
            after: v.after.as_deref().map(|text| offset("after", Stream::Fact, text)).transpose()?,
            facts: v.facts.iter().flatten().map(read_fact).collect::<Result<_, _>>()?,
        },
        Kind::Rejected => Verdict::Rejected(v.rejection()?),
        Kind::Duplicate => Verdict::Duplicate {
            of: offset("duplicate_of", Stream::Command, v.duplicate_of.as_deref().unwrap_or_default())?,
            first: match v.first {
                Some(Kind::Accepted) => {
                    First::Accepted { after: v.after.as_deref().map(|text| offset("after", Stream::Fact, text)).transpose()? }
                }
                _ => First::Rejected(v.rejection()?),
            },
        },
        Kind::Dead => Verdict::Dead { code: v.code.clone().unwrap_or_default(), message: v.message.clone().unwrap_or_default() },
    };
    let hex = |field: &'static str, text: &str| {
        from_hex(text).ok_or_else(|| Error::Shape { field: field.to_owned(), message: "is no SHA-256".to_owned() })
    };
    Ok(Outcome {
        command: offset("position", Stream::Command, &v.position)?,
        previous: hex("previous", &v.previous)?,
        digest: v.digest.as_deref().map(|text| hex("digest", text)).transpose()?,
        id: v.id,
        actor: v.actor,
        kind: v.kind,
        at_ms: v.at_ms,
        rules: v.rules,
        verdict,
    })
}

fn write_fact(fact: &WrittenFact) -> Fact {
    Fact { key: fact.key.to_string(), position: Position::fact(fact.offset).to_string(), data: fact.json.clone() }
}

fn read_fact(fact: &Fact) -> Result<WrittenFact, Error> {
    let json = fact.data.clone();
    Ok(WrittenFact { key: fact.key.parse().at("facts.key")?, offset: offset("facts.position", Stream::Fact, &fact.position)?, json })
}

fn offset(field: &str, stream: Stream, text: &str) -> Result<u64, Error> {
    let position: Position = text.parse().at(field)?;
    if position.stream != stream {
        return Err(Error::Value { field: field.to_owned(), message: format!("`{text}` is a position of another stream") });
    }
    Ok(position.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_reads_back() {
        let rejection = Rejection::new(Code::NotFound, "node", "no node `/x`").in_the_way("node/0000000000000001");
        let key = "node/0000000000000001".parse().unwrap();
        let data = serde_json::value::to_raw_value(&serde_json::json!({"id": "0000000000000001"})).unwrap();
        let verdicts = [
            Verdict::Accepted { after: None, facts: vec![] },
            Verdict::Accepted {
                after: Some(42),
                facts: vec![WrittenFact { key, offset: 41, json: Some(data) }, WrittenFact { key, offset: 42, json: None }],
            },
            Verdict::Rejected(rejection.clone()),
            Verdict::Duplicate { of: 3, first: First::Accepted { after: Some(7) } },
            Verdict::Duplicate { of: 3, first: First::Rejected(rejection) },
            Verdict::Dead { code: "bad_json".to_owned(), message: "no".to_owned() },
        ];
        for verdict in verdicts {
            let outcome = Outcome {
                id: "a".to_owned(),
                actor: "b".to_owned(),
                kind: "node.create".to_owned(),
                command: 17,
                at_ms: 5,
                rules: 1,
                previous: [7; 32],
                digest: Some([9; 32]),
                verdict,
            };
            assert_eq!(read(&write(&outcome)), Ok(outcome));
        }
    }

    #[test]
    fn a_code_of_a_later_decider_is_passed_on_to_the_byte() {
        let outcome = |verdict| Outcome {
            id: "a".to_owned(),
            actor: "b".to_owned(),
            kind: "node.create".to_owned(),
            command: 17,
            at_ms: 5,
            rules: 1,
            previous: [7; 32],
            digest: None,
            verdict,
        };
        let rejection = Rejection::new(Code::NotFound, "node", "no");
        for verdict in [Verdict::Rejected(rejection.clone()), Verdict::Duplicate { of: 3, first: First::Rejected(rejection) }] {
            let text = String::from_utf8(write(&outcome(verdict))).unwrap();
            let with = |code: &str| text.replace("\"not_found\"", code).into_bytes();
            let later = with("\"gate_closed\"");
            assert_eq!(write(&read(&later).unwrap()), later);
            for wrong in ["\"\"", "\"Gate\"", "null"] {
                assert_eq!(read(&with(wrong)).unwrap_err().field(), Some("code"), "{wrong}");
            }
        }
    }
}
