//! Dead letters: the original bytes with the reason, keyed by where they came from, so that each is there once.
//!
//! The value and the headers are the original record's; what Loki adds are headers beginning with `dead_`. A header of the original that
//! begins so is kept as `dead_original_…`. An original that is too large for the letters' topic is left where it is: the letter says how large.

use bytes::Bytes;
use serde::Serialize;

use crate::envelope::{Headers, header};
use crate::error::Error;

/// The longest message of a reason.
pub const MESSAGE_CHARS_MAX: usize = 1024;

/// The largest original that is kept: within the limit of the letters' topic, with room for what is added.
pub const ORIGINAL_BYTES_MAX: usize = 1024 * 1024;
/// What a header costs beside its name and value: their lengths, and a longer name.
const HEADER_BYTES: usize = 32;
const ADDED: &str = "dead_";
const ORIGINAL: &str = "dead_original_";

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
    /// How large key, value and headers were, when they are not kept here.
    pub omitted: Option<u64>,
}

impl DeadLetter {
    /// Leaves out an original that is too large to be written once more: brokers hold their limit against compressed records, and accept
    /// far larger ones than can be copied.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let bytes = self.kept_bytes();
        if bytes + self.headers.len() * HEADER_BYTES > ORIGINAL_BYTES_MAX {
            (self.key, self.value, self.headers) = (None, None, Headers::new());
            self.omitted = Some(bytes as u64);
        }
        self
    }

    /// What of the original is kept here: key, value and headers.
    pub fn kept_bytes(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        length(&self.key) + length(&self.value) + headers
    }

    /// How large the original is, kept here or not.
    pub fn bytes(&self) -> u64 {
        self.omitted.unwrap_or_else(|| self.value.as_ref().map_or(0, Bytes::len) as u64)
    }

    /// `<topic>/<partition>/<offset>/<index>`.
    pub fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.topic, self.partition, self.offset, self.index)
    }

    /// Key, value and headers of its record in the dead letters' topic.
    pub fn write(&self) -> (Bytes, Bytes, Headers) {
        let original =
            |(name, value): &(String, Bytes)| (if is_added(name) { format!("{ORIGINAL}{name}") } else { name.clone() }, value.clone());
        let mut headers: Headers = self.headers.iter().map(original).collect();
        let mut push = |name: &str, value: Bytes| headers.push((format!("{ADDED}{name}"), value));
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
        if let Some(bytes) = self.omitted {
            push("omitted", Bytes::from(bytes.to_string()));
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
            headers: headers.iter().filter_map(original).collect(),
            omitted: header(headers, "dead_omitted")?.map(|text| number("dead_omitted", &text)).transpose()?,
        })
    }
}

/// Whether a header's name is like those that a letter adds; they are read in any case.
fn is_added(name: &str) -> bool {
    name.get(..ADDED.len()).is_some_and(|start| start.eq_ignore_ascii_case(ADDED))
}

/// The header as the original record had it; `None` for what the letter added.
fn original((name, value): &(String, Bytes)) -> Option<(String, Bytes)> {
    let name = match name.strip_prefix(ORIGINAL) {
        Some(name) => name,
        None if is_added(name) => return None,
        None => name,
    };
    Some((name.to_owned(), value.clone()))
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

    fn letter(value: Option<Bytes>, headers: Headers) -> DeadLetter {
        let reason = DeadReason { code: "bad_json".to_owned(), message: "no".to_owned() };
        let key = Some(Bytes::from_static(b"k"));
        let topic = "loki.commands".to_owned();
        DeadLetter { topic, partition: 0, offset: 17, index: 0, at_ms: 5, reason, key, value, headers, omitted: None }
    }

    #[test]
    fn an_original_that_is_too_large_is_left_where_it_is() {
        let kept = letter(Some(Bytes::from(vec![b'x'; ORIGINAL_BYTES_MAX - 1])), vec![]);
        assert_eq!(kept.clone().bounded(), kept);
        let of_value = letter(Some(Bytes::from(vec![b'x'; 5_000_000])), vec![("x".to_owned(), Bytes::from_static(b"y"))]);
        // each costs three bytes at the broker
        let of_headers = letter(None, vec![(String::new(), Bytes::new()); 400_000]);
        for (letter, bytes) in [(of_value, 5_000_003), (of_headers, 1)] {
            let letter = letter.bounded();
            let (_, value, headers) = letter.write();
            assert_eq!((&letter.key, &letter.value, letter.headers.len(), letter.bytes()), (&None, &None, 0, bytes));
            assert!(value.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() < 1_000);
            assert_eq!(DeadLetter::read(&value, &headers), Ok(letter));
        }
    }

    #[test]
    fn a_letter_reads_back() {
        for value in [None, Some(Bytes::from_static(b"\xff\x00{")), Some(Bytes::new())] {
            let letter = letter(value, vec![("ce_id".to_owned(), Bytes::from_static(b"\xff"))]);
            let (key, value, headers) = letter.write();
            assert_eq!(key, "loki.commands/0/17/0");
            assert_eq!(DeadLetter::read(&value, &headers), Ok(letter));
        }
    }
}
