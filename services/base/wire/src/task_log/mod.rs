//! What hooks and scripts print, in chunks: the records of `loki.task-logs`.
//!
//! The log of an attempt is one stream of bytes, the output of its steps one after the other. A chunk says where in it it begins; one that is sent
//! again is the same, so that whoever takes each place of a log once has all of it once.

pub mod v1;

use bytes::Bytes;
use loki_domain::{RunId, ServerId};

use crate::envelope::{Headers, header};
use crate::error::Error;

/// The type of the records.
pub const TYPE: &str = "task-log.chunk";
/// Original bytes of one chunk, at most.
pub const BYTES_MAX: u32 = 32 << 10;
/// Where a chunk may begin, at most: far beyond what any attempt may print.
pub const OFFSET_MAX: u64 = 999_999_999_999_999;

/// A part of what an attempt has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub run: RunId,
    pub server: ServerId,
    pub attempt: u32,
    /// The step that printed it.
    pub step: String,
    /// How many bytes of the attempt's log come before it.
    pub offset: u64,
    /// How many original bytes it stands for.
    pub bytes: u32,
    /// These as UTF-8: what is none was replaced by U+FFFD.
    pub text: String,
    /// Nothing comes after it in this attempt.
    pub is_last: bool,
}

impl Chunk {
    /// The id that sorts as chunks follow each other on a host of a run.
    pub fn id(&self) -> String {
        format!("{}.{}.{:010}.{:015}", self.run, self.server, self.attempt, self.offset)
    }

    /// Whether it may be one.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field: &str, message: String| Err(Error::Value { field: field.to_owned(), message });
        let is_step = |step: &str| (1..=32).contains(&step.len()) && step.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'_'));
        if self.attempt == 0 {
            return wrong("attempt", "must be at least 1".to_owned());
        }
        if !is_step(&self.step) {
            return wrong("step", "must be 1 to 32 letters `a` to `z`, `-` and `_`".to_owned());
        }
        if self.offset > OFFSET_MAX {
            return wrong("offset", format!("must be at most {OFFSET_MAX}"));
        }
        if self.bytes > BYTES_MAX || (self.bytes == 0 && !self.is_last) {
            return wrong("bytes", format!("must be 1 to {BYTES_MAX}; 0 only with `last`"));
        }
        // a byte that is no UTF-8 becomes the three of U+FFFD
        if self.text.len() > self.bytes as usize * 3 {
            return wrong("text", format!("has {} bytes and stands for {}: longer than these can be as text", self.text.len(), self.bytes));
        }
        Ok(())
    }
}

/// The value of a chunk's record.
pub fn write_value(chunk: &Chunk) -> Vec<u8> {
    v1::write(chunk)
}

/// The key, value and headers of a chunk's record. Chunks of one host of a run have one key.
pub fn write(chunk: &Chunk) -> (Bytes, Bytes, Headers) {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", chunk.id()),
        ("ce_source", "loki/api".to_owned()),
        ("ce_type", TYPE.to_owned()),
        ("ce_dataschema", v1::NAME.to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), Bytes::from(value))).to_vec();
    (Bytes::from(format!("{}.{}", chunk.run, chunk.server)), Bytes::from(write_value(chunk)), headers)
}

/// Reads what a host's agent sends of a run.
pub fn read_body(run: RunId, server: ServerId, body: &[u8]) -> Result<Chunk, Error> {
    v1::read_sent(run, server, body)
}

/// Reads a record of the task logs' topic.
pub fn read(value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Chunk, Error> {
    let value = value.ok_or_else(|| Error::Envelope { field: "data", message: "is missing: the record has no value".to_owned() })?;
    match header(headers, "ce_dataschema")?.as_deref() {
        Some(v1::NAME) => v1::read(value),
        other => Err(Error::UnknownVersion(other.unwrap_or_default().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk() -> Chunk {
        Chunk {
            run: RunId::MIN,
            server: ServerId::MAX,
            attempt: 2,
            step: "back-start".to_owned(),
            offset: 7,
            bytes: 4,
            text: "a\u{fffd}b\n".to_owned(),
            is_last: false,
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let last = Chunk { bytes: 0, text: String::new(), is_last: true, ..chunk() };
        for chunk in [chunk(), last] {
            chunk.check().unwrap();
            let (_, value, headers) = write(&chunk);
            assert_eq!(read(Some(&value), &headers).unwrap(), chunk);
        }
        assert!(matches!(read(Some(&write(&chunk()).1), &[]), Err(Error::UnknownVersion(_))));
        assert!(read(None, &write(&chunk()).2).is_err());
    }

    #[test]
    fn what_is_sent_is_read_strictly() {
        let sent = |body: &str| read_body(RunId::MIN, ServerId::MAX, body.as_bytes());
        let body = r#"{"attempt":2,"step":"back-start","offset":7,"bytes":4,"text":"a\ufffdb\n","last":false}"#;
        assert_eq!(sent(body), Ok(chunk()));
        let error = sent(&body.replace("last", "end")).unwrap_err();
        assert_eq!((error.code(), error.field()), ("schema_violation", Some("end")));
        assert_eq!(sent(&body.replace('4', "1")).unwrap_err().field(), Some("text"));
    }

    #[test]
    fn ids_sort_as_chunks_follow_each_other() {
        let of = |attempt, offset| Chunk { attempt, offset, ..chunk() }.id();
        assert!(of(2, 9) < of(2, 10) && of(2, OFFSET_MAX) < of(10, 0) && of(9, 0) < of(u32::MAX, 0));
        assert_eq!(of(1, 0).len(), of(u32::MAX, OFFSET_MAX).len());
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        let wrong = [
            ("attempt", Chunk { attempt: 0, ..chunk() }),
            ("step", Chunk { step: String::new(), ..chunk() }),
            ("step", Chunk { step: "Start".to_owned(), ..chunk() }),
            ("step", Chunk { step: "a".repeat(33), ..chunk() }),
            ("offset", Chunk { offset: OFFSET_MAX + 1, ..chunk() }),
            ("bytes", Chunk { bytes: 0, text: String::new(), ..chunk() }),
            ("bytes", Chunk { bytes: BYTES_MAX + 1, ..chunk() }),
            ("text", Chunk { bytes: 1, text: "abcd".to_owned(), ..chunk() }),
        ];
        for (field, chunk) in wrong {
            assert_eq!(chunk.check().unwrap_err().field(), Some(field), "{chunk:?}");
            let (_, value, headers) = write(&chunk);
            assert!(read(Some(&value), &headers).is_err(), "{chunk:?}");
        }
    }
}
