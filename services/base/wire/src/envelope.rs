//! CloudEvents 1.0 around the data: binary mode (headers `ce_*`, the value is the data), structured JSON, and for simple producers a bare
//! JSON object with `type` and `data`. Source of the mapping: the CloudEvents specification and its Kafka protocol binding.
//!
//! `actor`, `keyid`, `expires` and `signature` are extension attributes. They are carried from the start; who may say what is checked elsewhere.

use std::collections::BTreeMap;

use bytes::Bytes;
use loki_domain::Position;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::json::read_json;

pub type Headers = Vec<(String, Bytes)>;

/// The largest command, envelope included.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;
/// How deep JSON may be nested.
pub const JSON_DEPTH_MAX: usize = 16;
/// The longest id.
pub const ID_CHARS_MAX: usize = 64;
/// The longest trace context that is passed on; version 00 has 55 characters.
const TRACE_CHARS_MAX: usize = 128;
/// Who is meant when nobody is named.
pub const ANONYMOUS: &str = "anonymous";

/// A command's envelope. `data` is still text: its type says how to read it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The sender's id; `None` when a bare record brings none.
    pub id: Option<String>,
    pub kind: String,
    pub actor: String,
    pub source: Option<String>,
    /// The schema's name, `command.node.create.v1`; `None` means version 1.
    pub dataschema: Option<String>,
    /// Milliseconds since 1970.
    pub expires_ms: Option<i64>,
    pub keyid: Option<String>,
    pub signature: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    pub data: Bytes,
}

/// The JSON form: structured CloudEvents, which may have extensions that nobody here knows, and the bare object (which has only `type` and
/// `data`, perhaps `id`, `actor`, `expires`), which may not: a field that is passed over is a mistake that nobody hears of.
#[derive(Deserialize)]
struct Structured<'a> {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    actor: Option<String>,
    source: Option<String>,
    dataschema: Option<String>,
    expires: Option<String>,
    keyid: Option<String>,
    signature: Option<String>,
    traceparent: Option<String>,
    specversion: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The fields of `Structured`.
const FIELDS: [&str; 11] =
    ["id", "type", "actor", "source", "dataschema", "expires", "keyid", "signature", "traceparent", "specversion", "data"];

impl Envelope {
    /// A new command to be written in binary mode.
    pub fn new(kind: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            id: None,
            kind: kind.into(),
            actor: ANONYMOUS.to_owned(),
            source: None,
            dataschema: None,
            expires_ms: None,
            keyid: None,
            signature: None,
            traceparent: None,
            data: data.into(),
        }
    }

    /// Reads a record of the commands' topic, whichever mode it is in.
    pub fn read(value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Self, Error> {
        let Some(value) = value else {
            return Err(Error::Envelope { field: "data", message: "is missing: the record has no value".to_owned() });
        };
        check_size(value, headers)?;
        let content_type = header(headers, "content-type")?.unwrap_or_default();
        let is_event = content_type.to_ascii_lowercase().starts_with("application/cloudevents+json");
        let envelope = if !is_event && header(headers, "ce_specversion")?.is_some() {
            Self::read_binary(value, headers)?
        } else {
            Self::read_structured(value, headers, is_event)?
        };
        envelope.check()
    }

    /// Reads a JSON body: structured CloudEvents or the bare object.
    pub fn read_body(body: &Bytes) -> Result<Self, Error> {
        check_size(body, &[])?;
        Self::read_structured(body, &[], false)?.check()
    }

    fn read_structured(value: &Bytes, headers: &[(String, Bytes)], is_event: bool) -> Result<Self, Error> {
        let event: Structured<'_> = read_json(value)?;
        if !is_event && event.specversion.is_none() {
            check_fields(value)?;
        }
        if event.specversion.as_ref().is_some_and(|version| version != "1.0") {
            return Err(Error::Envelope { field: "specversion", message: "must be `1.0`".to_owned() });
        }
        let data = event.data.ok_or_else(|| Error::Envelope { field: "data", message: "is missing".to_owned() })?;
        Ok(Self {
            id: event.id,
            kind: event.kind,
            actor: event.actor.unwrap_or_else(|| ANONYMOUS.to_owned()),
            source: event.source,
            dataschema: event.dataschema,
            expires_ms: event.expires.as_deref().map(read_time).transpose()?,
            keyid: event.keyid,
            signature: event.signature,
            traceparent: trace(headers, "traceparent").or(event.traceparent),
            data: value.slice_ref(data.get().as_bytes()),
        })
    }

    fn read_binary(value: &Bytes, headers: &[(String, Bytes)]) -> Result<Self, Error> {
        if header(headers, "ce_specversion")?.as_deref() != Some("1.0") {
            return Err(Error::Envelope { field: "specversion", message: "must be `1.0`".to_owned() });
        }
        Ok(Self {
            id: header(headers, "ce_id")?,
            kind: header(headers, "ce_type")?.ok_or_else(|| Error::Envelope { field: "type", message: "is missing".to_owned() })?,
            actor: header(headers, "ce_actor")?.unwrap_or_else(|| ANONYMOUS.to_owned()),
            source: header(headers, "ce_source")?,
            dataschema: header(headers, "ce_dataschema")?,
            expires_ms: header(headers, "ce_expires")?.as_deref().map(read_time).transpose()?,
            keyid: header(headers, "ce_keyid")?,
            signature: header(headers, "ce_signature")?,
            traceparent: trace(headers, "traceparent").or_else(|| trace(headers, "ce_traceparent")),
            data: value.clone(),
        })
    }

    /// Bounds that hold in every mode. Whether an id may begin with `@` depends on who reads: the API refuses it, the decider writes it.
    fn check(mut self) -> Result<Self, Error> {
        if let Some(id) = &self.id {
            check_id(id)?;
        }
        check_text("type", &self.kind, ID_CHARS_MAX)?;
        check_text("actor", &self.actor, 128)?;
        if self.actor.is_empty() {
            return Err(Error::Envelope { field: "actor", message: "may not be empty".to_owned() });
        }
        // it is copied to every fact; what is no trace context is no reason to refuse a command
        self.traceparent = self.traceparent.filter(|text| text.len() <= TRACE_CHARS_MAX && text.bytes().all(|b| b.is_ascii_graphic()));
        Ok(self)
    }

    /// Headers of the binary mode; the value is `data`.
    pub fn headers(&self) -> Headers {
        let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let mut headers: Headers =
            vec![("ce_specversion".to_owned(), Bytes::from_static(b"1.0")), ("ce_type".to_owned(), text(&self.kind))];
        let mut push = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                headers.push((name.to_owned(), text(value)));
            }
        };
        push("ce_id", self.id.as_deref());
        push("ce_source", Some(self.source.as_deref().unwrap_or("loki")));
        push("ce_actor", Some(&self.actor));
        push("ce_dataschema", self.dataschema.as_deref());
        push("ce_expires", self.expires_ms.map(write_time).as_deref());
        push("ce_keyid", self.keyid.as_deref());
        push("ce_signature", self.signature.as_deref());
        push("ce_traceparent", self.traceparent.as_deref());
        push("traceparent", self.traceparent.as_deref());
        push("content-type", Some("application/json"));
        headers
    }
}

/// Whether a sender may call a command so. Commands are asked for by id or by position in one and the same place: an id that reads as a position
/// would hide its command behind the one that stands there.
pub fn check_id(id: &str) -> Result<(), Error> {
    check_text("id", id, ID_CHARS_MAX)?;
    if id.is_empty() {
        return Err(Error::Envelope { field: "id", message: "may not be empty".to_owned() });
    }
    if id.parse::<Position>().is_ok() {
        return Err(Error::Envelope { field: "id", message: format!("may not look like a position, as `{id}` does: choose another") });
    }
    Ok(())
}

/// The text of the last header of this name.
pub(crate) fn header(headers: &[(String, Bytes)], name: &'static str) -> Result<Option<String>, Error> {
    let Some((_, value)) = headers.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value).map_err(|_| Error::Envelope { field: name, message: "is not UTF-8".to_owned() })?;
    Ok(Some(text.to_owned()))
}

/// A trace context that cannot be read is none.
fn trace(headers: &[(String, Bytes)], name: &'static str) -> Option<String> {
    header(headers, name).ok().flatten()
}

fn check_fields(object: &[u8]) -> Result<(), Error> {
    let fields: BTreeMap<String, IgnoredAny> = read_json(object)?;
    match fields.into_keys().find(|name| !FIELDS.contains(&name.as_str())) {
        Some(field) => {
            let message = format!("unknown field `{field}`, expected `type` and `data`, perhaps `id`, `actor`, `expires`");
            Err(Error::Shape { field, message })
        }
        None => Ok(()),
    }
}

fn check_text(field: &'static str, text: &str, max: usize) -> Result<(), Error> {
    let length = text.chars().count();
    if length > max {
        return Err(Error::Envelope { field, message: format!("has at most {max} characters, this has {length}") });
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Envelope { field, message: "may not hold control characters".to_owned() });
    }
    Ok(())
}

fn check_size(value: &[u8], headers: &[(String, Bytes)]) -> Result<(), Error> {
    let bytes = value.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if bytes > COMMAND_BYTES_MAX {
        return Err(Error::TooLarge { bytes, limit: COMMAND_BYTES_MAX });
    }
    check_depth(value)
}

/// Counts brackets outside of texts, before any parser sees them.
pub(crate) fn check_depth(json: &[u8]) -> Result<(), Error> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(Error::TooDeep { limit: JSON_DEPTH_MAX });
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// RFC 3339 to milliseconds since 1970.
pub fn read_time(text: &str) -> Result<i64, Error> {
    text.parse::<jiff::Timestamp>()
        .map(|time| time.as_millisecond())
        .map_err(|_| Error::Envelope { field: "expires", message: "must be a time such as `2026-01-31T12:00:00Z`".to_owned() })
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn write_time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn the_three_modes_read_alike() {
        let data = r#"{"path":"/acme"}"#;
        let mut command = Envelope::new("node.create", text(data));
        command.id = Some("a1".to_owned());
        command.actor = "ann".to_owned();
        command.expires_ms = Some(1_700_000_000_000);
        let bodies = [
            (text(data), command.headers()),
            (
                text(&format!(
                    r#"{{"specversion":"1.0","id":"a1","source":"ci","type":"node.create","actor":"ann","expires":"2023-11-14T22:13:20Z","data":{data}}}"#
                )),
                vec![("Content-Type".to_owned(), text("application/cloudevents+json; charset=utf-8"))],
            ),
            (text(&format!(r#"{{"id":"a1","type":"node.create","actor":"ann","expires":"2023-11-14T22:13:20Z","data":{data}}}"#)), vec![]),
        ];
        for (value, headers) in bodies {
            let read = Envelope::read(Some(&value), &headers).unwrap();
            assert_eq!((read.id.as_deref(), read.kind.as_str(), read.actor.as_str()), (Some("a1"), "node.create", "ann"));
            assert_eq!((read.data.as_ref(), read.expires_ms), (data.as_bytes(), Some(1_700_000_000_000)));
        }
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        let read = |body: &str| Envelope::read_body(&text(body)).map(|_| ()).unwrap_err().code();
        assert_eq!(read("{"), "bad_json");
        assert_eq!(read("[]"), "schema_violation");
        assert_eq!(read(r#"{"type":"x"}"#), "bad_envelope");
        assert_eq!(read(r#"{"data":{}}"#), "schema_violation");
        assert_eq!(read(&format!(r#"{{"type":"x","data":{}{}}}"#, "[".repeat(20), "]".repeat(20))), "too_deep");
        assert_eq!(read(&format!(r#"{{"type":"x","data":"{}"}}"#, "x".repeat(70_000))), "too_large");
        assert_eq!(read(r#"{"type":"x","data":{}} x"#), "bad_json");
        assert_eq!(read(r#"{"type":"x","data":{},"expires":"tomorrow"}"#), "bad_envelope");
        assert_eq!(read(&format!(r#"{{"type":"x","data":{{}},"id":"{}"}}"#, "i".repeat(65))), "bad_envelope");
        assert!(Envelope::read(None, &[]).is_err());
    }

    #[test]
    fn an_id_that_reads_as_a_position_is_refused_in_every_mode() {
        let data = r#"{"path":"/acme"}"#;
        for id in ["c17", "f0", "o8", "c007"] {
            let mut command = Envelope::new("node.create", text(data));
            command.id = Some(id.to_owned());
            let body = text(&format!(r#"{{"id":"{id}","type":"node.create","data":{data}}}"#));
            for read in
                [Envelope::read(Some(&text(data)), &command.headers()), Envelope::read(Some(&body), &[]), Envelope::read_body(&body)]
            {
                let error = read.map(|_| ()).unwrap_err();
                assert_eq!((error.code(), error.field()), ("bad_envelope", Some("id")), "{id}");
                assert!(error.to_string().contains("position"), "{error}");
            }
        }
        // what no position can be is an id like others
        for id in ["c", "c17-a", "C17", "c-1", "17", "c99999999999999999999"] {
            assert!(check_id(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn a_field_that_a_bare_object_does_not_have_is_refused() {
        let bare = r#"{"type":"node.create","data":{"path":"/acme"},"idempotency_key":"x"}"#;
        let error = Envelope::read_body(&text(bare)).unwrap_err();
        assert_eq!((error.code(), error.field()), ("schema_violation", Some("idempotency_key")));
        assert!(error.to_string().contains("`idempotency_key`"), "{error}");
        assert_eq!(Envelope::read(Some(&text(bare)), &[]).unwrap_err(), error);
        // CloudEvents may have extensions that nobody here knows
        let event = r#"{"specversion":"1.0","id":"a","source":"ci","type":"node.create","data":{"path":"/acme"},"region":"x"}"#;
        assert!(Envelope::read_body(&text(event)).is_ok());
        let of_event = vec![("content-type".to_owned(), text("application/cloudevents+json"))];
        assert!(Envelope::read(Some(&text(bare)), &of_event).is_ok());
        let all = r#"{"id":"a","type":"t","actor":"b","source":"c","dataschema":"d","expires":"2026-01-31T11:00:00Z","keyid":"e",
            "signature":"f","traceparent":"g","data":{}}"#;
        assert!(Envelope::read_body(&text(all)).is_ok());
    }

    #[test]
    fn headers_count_as_part_of_the_command() {
        let read = |size: usize| Envelope::read(Some(&text(r#"{"type":"x","data":{}}"#)), &[("x".to_owned(), text(&"x".repeat(size)))]);
        assert!(read(60_000).is_ok());
        assert_eq!(read(70_000).map(|_| ()).unwrap_err().code(), "too_large");
    }

    #[test]
    fn a_bad_trace_is_dropped_and_the_command_kept() {
        let body = text(r#"{"type":"x","data":{}}"#);
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = |value: Bytes| Envelope::read(Some(&body), &[("traceparent".to_owned(), value)]).unwrap().traceparent;
        assert_eq!(trace(text(good)).as_deref(), Some(good));
        for bad in [text(&"0".repeat(129)), text("a b"), Bytes::from_static(b"\xff")] {
            assert_eq!(trace(bad), None);
        }
    }

    #[test]
    fn brackets_in_texts_do_not_count() {
        assert!(check_depth(br#""[[[[[[[[[[[[[[[[[[[[[[[\"[[""#).is_ok());
    }
}
