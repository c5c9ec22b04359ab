//! Dead letters: the original bytes with the reason, keyed by where they came from, so that each is there once.
//!
//! The value and the headers are the original record's; what Loki adds are headers beginning with `dead_`.

use bytes::Bytes;
use serde::Serialize;

use crate::envelope::{Headers, header};
use crate::error::Error;

/// The longest message of a reason.
pub const MESSAGE_CHARS_MAX: usize = 1024;

/// Why a record is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadReason {
    pub code: String,
    pub message: String,
}

impl From<&Error> for DeadReason {
    fn from(error: &Error) -> Self {
        let mut message = error.to_string();
        // an error may quote what the sender wrote
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(end);
        }
        Self { code: error.code().to_owned(), message }
    }
}

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    /// Within the record, for records that hold several points.
    pub index: u32,
    pub at_ms: i64,
    pub reason: DeadReason,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Headers,
}

impl DeadLetter {
    /// `<topic>/<partition>/<offset>/<index>`.
    pub fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.topic, self.partition, self.offset, self.index)
    }

    /// Key, value and headers of its record in the dead letters' topic.
    pub fn write(&self) -> (Bytes, Bytes, Headers) {
        let mut headers = self.headers.clone();
        let mut push = |name: &str, value: Bytes| headers.push((format!("dead_{name}"), value));
        push("topic", Bytes::from(self.topic.clone()));
        push("partition", Bytes::from(self.partition.to_string()));
        push("offset", Bytes::from(self.offset.to_string()));
        push("index", Bytes::from(self.index.to_string()));
        push("at_ms", Bytes::from(self.at_ms.to_string()));
        push("code", Bytes::from(self.reason.code.clone()));
        push("reason", Bytes::from(self.reason.message.clone()));
        if let Some(key) = &self.key {
            push("key", key.clone());
        }
        // without a value the record would be a removal
        if self.value.is_none() {
            push("null", Bytes::from_static(b"true"));
        }
        (Bytes::from(self.id()), self.value.clone().unwrap_or_default(), headers)
    }

    /// Reads what `write` wrote.
    pub fn read(value: &Bytes, headers: &[(String, Bytes)]) -> Result<Self, Error> {
        let text =
            |name: &'static str| header(headers, name)?.ok_or_else(|| Error::Envelope { field: name, message: "is missing".to_owned() });
        fn number<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, Error> {
            text.parse().map_err(|_| Error::Envelope { field: name, message: format!("`{}` is no number", text.escape_default()) })
        }
        let null = header(headers, "dead_null")?.is_some();
        Ok(Self {
            topic: text("dead_topic")?,
            partition: number("dead_partition", &text("dead_partition")?)?,
            offset: number("dead_offset", &text("dead_offset")?)?,
            index: number("dead_index", &text("dead_index")?)?,
            at_ms: number("dead_at_ms", &text("dead_at_ms")?)?,
            reason: DeadReason { code: text("dead_code")?, message: text("dead_reason")? },
            key: headers.iter().rev().find(|(name, _)| name == "dead_key").map(|(_, value)| value.clone()),
            value: (!null).then(|| value.clone()),
            headers: headers.iter().filter(|(name, _)| !name.starts_with("dead_")).cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded() {
        let reason = DeadReason::from(&Error::Json("支".repeat(5000)));
        assert_eq!(reason.message.chars().count(), MESSAGE_CHARS_MAX);
        assert!(reason.message.starts_with("bad JSON: 支"));
    }

    #[test]
    fn a_letter_reads_back() {
        for value in [None, Some(Bytes::from_static(b"\xff\x00{")), Some(Bytes::new())] {
            let letter = DeadLetter {
                topic: "loki.commands".to_owned(),
                partition: 0,
                offset: 17,
                index: 0,
                at_ms: 5,
                reason: DeadReason { code: "bad_json".to_owned(), message: "no".to_owned() },
                key: Some(Bytes::from_static(b"k")),
                value,
                headers: vec![("ce_id".to_owned(), Bytes::from_static(b"\xff"))],
            };
            let (key, value, headers) = letter.write();
            assert_eq!(key, "loki.commands/0/17/0");
            assert_eq!(DeadLetter::read(&value, &headers), Ok(letter));
        }
    }
}
