//! From a record to a command, or to the reason why it is dead. Pure.

use loki_domain::Command;
use loki_log::Record;
use loki_wire::digest::Digest;
use loki_wire::envelope::ANONYMOUS;
use loki_wire::signature::Signed;
use loki_wire::{DeadReason, Envelope, Intake};

/// The actor of commands that the decider appends to itself. No other actor's name, and no other id, may begin with `@`.
pub const DECIDER: &str = "@decider";
/// A reason holds no more of what the sender wrote than this.
const REASON_CHARS_MAX: usize = 1_000;

/// Who asks, as far as the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The sender's id, or `@c<offset>`.
    pub id: String,
    pub actor: String,
    /// The command's type; empty when it could not be read.
    pub kind: String,
    pub traceparent: Option<String>,
}

#[derive(Debug)]
pub struct Asked {
    pub command: Command,
    pub digest: Digest,
    pub expires_ms: Option<i64>,
    /// The sender gave the id: it can come again. The decider's own steps are no such commands: their ids can be guessed and written by others,
    /// and what guards a step from being done twice is the sweep that it belongs to.
    pub is_repeatable: bool,
    /// Not checked yet: the token's key is part of the state.
    pub signed: Option<Signed>,
}

/// The id of a command whose sender gave none.
pub fn numbered(offset: u64) -> String {
    format!("@c{offset}")
}

/// Reads a record of the commands' topic.
pub fn read(record: &Record) -> (Sender, Result<Asked, DeadReason>) {
    let numbered = numbered(record.offset);
    let envelope = match Envelope::read(record.value.as_ref(), &record.headers) {
        Ok(envelope) => envelope,
        Err(error) => {
            let sender = Sender { id: numbered, actor: ANONYMOUS.to_owned(), kind: String::new(), traceparent: None };
            return (sender, Err(reason(&error)));
        }
    };
    let mut sender = Sender {
        id: envelope.id.clone().unwrap_or_else(|| numbered.clone()),
        actor: envelope.actor.clone(),
        kind: envelope.kind.clone(),
        traceparent: envelope.traceparent.clone(),
    };
    if let Some(field) = reserved(&envelope) {
        // the letter keeps the names; in an outcome they would pass for somebody else's
        (sender.id, sender.actor) = (numbered, ANONYMOUS.to_owned());
        let message = "may not begin with `@`: only the decider's own do".to_owned();
        let error = loki_wire::Error::Envelope { field, message };
        return (sender, Err(reason(&error)));
    }
    let asked = Signed::read(&envelope).and_then(|signed| {
        let intake = Intake::read(&envelope)?;
        Ok(Asked {
            command: intake.command,
            digest: intake.digest,
            expires_ms: envelope.expires_ms,
            is_repeatable: envelope.id.is_some() && envelope.actor != DECIDER,
            signed,
        })
    });
    (sender, asked.map_err(|error| reason(&error)))
}

/// The field with a name that only the decider uses. A forged follow-up does no harm: it is a step that is due anyway, or nothing.
fn reserved(envelope: &Envelope) -> Option<&'static str> {
    let id = envelope.id.as_deref().unwrap_or_default();
    let own_id = id.starts_with('@');
    // `@c5` is what a command without an id is called
    let of_step = own_id && id.contains('-');
    if envelope.actor == DECIDER && of_step && matches!(envelope.kind.as_str(), "membership.sweep" | "run.step") {
        return None;
    }
    if own_id {
        return Some("id");
    }
    envelope.actor.starts_with('@').then_some("actor")
}

fn reason(error: &loki_wire::Error) -> DeadReason {
    let reason = DeadReason::from(error);
    match reason.message.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => DeadReason { message: format!("{}…", &reason.message[..end]), ..reason },
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use loki_log::{Partition, Topic};

    use super::*;

    fn record(value: &str) -> Record {
        Record {
            partition: Partition::only(&Topic::new("loki.commands")),
            offset: 17,
            timestamp_ms: 5,
            key: None,
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    fn dead(value: &str) -> (String, String) {
        let (sender, asked) = read(&record(value));
        assert!(!sender.actor.starts_with('@'), "{sender:?}");
        (sender.id, asked.expect_err("it is dead").code)
    }

    #[test]
    fn a_bare_record_is_numbered() {
        let (sender, asked) = read(&record(r#"{"type":"node.remove","data":{"node":"/acme"}}"#));
        assert_eq!((sender.id.as_str(), sender.actor.as_str(), sender.kind.as_str()), ("@c17", "anonymous", "node.remove"));
        assert!(!asked.unwrap().is_repeatable);
    }

    #[test]
    fn what_cannot_be_read_says_why_and_from_whom() {
        assert_eq!(dead("{"), ("@c17".to_owned(), "bad_json".to_owned()));
        assert_eq!(dead(r#"{"id":"a","type":"node.paint","data":{}}"#), ("a".to_owned(), "unknown_type".to_owned()));
        assert_eq!(dead(r#"{"id":"a","type":"node.remove","data":{"node":"/acme","x":1}}"#).1, "schema_violation");
        assert_eq!(dead(r#"{"id":"a","type":"node.remove","data":{"node":"acme/"}}"#).1, "invalid");
    }

    #[test]
    fn names_of_the_decider_are_its_own() {
        let sweep = |id: &str, actor: &str, kind: &str| {
            format!(r#"{{"id":"{id}","actor":"{actor}","type":"{kind}","data":{{"membership":"0123456789abcdef"}}}}"#)
        };
        assert!(read(&record(&sweep("@a-1-2", DECIDER, "membership.sweep"))).1.is_ok());
        // whoever is asked about `@c5` must not be told of another command
        let refused = [
            ("@a-1", "ann", "membership.sweep"),
            ("a", "@ann", "membership.sweep"),
            ("a", DECIDER, "membership.sweep"),
            ("@a-1", DECIDER, "membership.remove"),
            ("@c5", DECIDER, "membership.sweep"),
            ("@c5", "ann", "node.remove"),
        ];
        for (id, actor, kind) in refused {
            assert_eq!(dead(&sweep(id, actor, kind)), ("@c17".to_owned(), "bad_envelope".to_owned()), "{id} {actor} {kind}");
        }
    }

    #[test]
    fn an_id_that_reads_as_a_position_is_dead() {
        for id in ["c5", "f0", "o8"] {
            let value = format!(r#"{{"id":"{id}","actor":"ann","type":"node.remove","data":{{"node":"/acme"}}}}"#);
            assert_eq!(dead(&value), ("@c17".to_owned(), "bad_envelope".to_owned()), "{id}");
        }
    }

    #[test]
    fn a_reason_stays_short() {
        let (_, asked) = read(&record(&format!(r#"{{"type":"node.remove","data":{{"{}":1}}}}"#, "x".repeat(50_000))));
        assert!(asked.unwrap_err().message.chars().count() <= REASON_CHARS_MAX + 1);
    }
}
