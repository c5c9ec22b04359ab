//! Whatever lies in a topic, reading it gives a value or an error, never a panic.

mod corpus;

use bytes::Bytes;
use loki_wire::contract::reads_again;
use loki_wire::{DeadLetter, DeadReason, Headers, schema};
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[derive(Debug, Clone)]
struct Record {
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Headers,
}

fn read_all(record: &Record) {
    reads_again(record.key.as_ref(), record.value.as_ref(), &record.headers);
}

/// Frozen records, and letters made of them.
fn records() -> Vec<Record> {
    let names = schema::published().into_iter().map(|schema| schema.name.to_owned());
    let modes = ["binary", "structured", "bare", "refused"].map(|mode| format!("envelopes/{mode}"));
    let mut records = Vec::new();
    for case in names.chain(modes).flat_map(|name| corpus::cases(&name)) {
        let (key, value, headers) = case.record();
        let letter = DeadLetter {
            topic: "loki.commands".to_owned(),
            partition: 0,
            offset: 17,
            index: 0,
            at_ms: 1_769_860_800_123,
            reason: DeadReason { code: "invalid".to_owned(), message: case.case },
            key: key.clone(),
            value: value.clone(),
            headers: headers.clone(),
            omitted: None,
        };
        let (dead_key, dead_value, dead_headers) = letter.write();
        records.push(Record { key: Some(dead_key), value: Some(dead_value), headers: dead_headers });
        records.push(Record { key, value, headers });
    }
    records
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "null",
        "true",
        "-0",
        "1e999",
        "18446744073709551616",
        "\"\\ud800\"",
        "\u{0}",
        "\"type\":",
        "\"data\":{}",
        "支",
    ];
    let json = prop::collection::vec(select(pieces.to_vec()), 0..40).prop_map(|pieces| Bytes::from(pieces.concat()));
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from), json]
}

fn header_name() -> impl Strategy<Value = String> {
    let names = [
        "content-type",
        "ce_specversion",
        "ce_type",
        "ce_id",
        "ce_actor",
        "ce_expires",
        "ce_dataschema",
        "ce_command",
        "ce_last",
        "traceparent",
        "dead_topic",
        "dead_partition",
        "dead_offset",
        "dead_index",
        "dead_at_ms",
        "dead_code",
        "dead_reason",
        "dead_key",
        "dead_null",
        "dead_omitted",
        "DEAD_KEY",
        "dead_original_key",
        "x",
    ];
    select(names.map(str::to_owned).to_vec())
}

fn header_value() -> impl Strategy<Value = Bytes> {
    let texts = [
        "1.0",
        "application/cloudevents+json",
        "fact.node.v1",
        "fact.log.v1",
        "outcome.command.v1",
        "node.create",
        "18446744073709551616",
        "-1",
        "",
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
        "true",
    ];
    prop_oneof![select(texts.to_vec()).prop_map(|text| Bytes::from_static(text.as_bytes())), bytes()]
}

fn headers() -> impl Strategy<Value = Headers> {
    prop::collection::vec((header_name(), header_value()), 0..8)
}

#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Cut(Index),
    Insert(Index, Bytes),
    Header(String, Bytes),
    NoHeader(Index),
    Key(Option<Bytes>),
}

impl Damage {
    fn apply(self, record: &mut Record) {
        let mut value = record.value.as_deref().unwrap_or_default().to_vec();
        match self {
            Self::Byte(at, byte) if !value.is_empty() => {
                let at = at.index(value.len());
                value[at] = byte;
            }
            Self::Byte(..) => {}
            Self::Cut(at) => value.truncate(at.index(value.len() + 1)),
            Self::Insert(at, bytes) => {
                let at = at.index(value.len() + 1);
                value.splice(at..at, bytes);
            }
            Self::Header(name, value) => record.headers.push((name, value)),
            Self::NoHeader(at) if !record.headers.is_empty() => {
                record.headers.remove(at.index(record.headers.len()));
            }
            Self::NoHeader(_) => {}
            Self::Key(key) => record.key = key,
        }
        if record.value.is_some() {
            record.value = Some(Bytes::from(value));
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        3 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (header_name(), header_value()).prop_map(|(name, value)| Damage::Header(name, value)),
        1 => any::<Index>().prop_map(Damage::NoHeader),
        1 => prop::option::of(bytes()).prop_map(Damage::Key),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(key in prop::option::of(bytes()), value in prop::option::of(bytes()), headers in headers()) {
        read_all(&Record { key, value, headers });
    }

    #[test]
    fn a_letter_gives_the_record_back(key in prop::option::of(bytes()), value in prop::option::of(bytes()), headers in headers()) {
        let reason = DeadReason { code: "bad_json".to_owned(), message: "no".to_owned() };
        let (topic, at_ms) = ("loki.commands".to_owned(), 1_769_860_800_123);
        let letter = DeadLetter { topic, partition: 0, offset: 17, index: 0, at_ms, reason, key, value, headers, omitted: None };
        let (_, value, headers) = letter.write();
        prop_assert_eq!(DeadLetter::read(&value, &headers), Ok(letter));
    }

    #[test]
    fn damaged_records_never_panic(record in select(records()), damage in prop::collection::vec(damage(), 1..4)) {
        let mut record = record;
        damage.into_iter().for_each(|damage| damage.apply(&mut record));
        read_all(&record);
    }
}

#[test]
fn undamaged_records_are_read() {
    records().iter().for_each(read_all);
}

#[test]
fn hostile_sizes_never_panic() {
    for value in
        ["[".repeat(70_000), "[".repeat(60_000), format!("\"{}", "\\".repeat(60_000)), "{\"type\":".repeat(8_000), "1".repeat(60_000)]
    {
        let value = Some(Bytes::from(value));
        for headers in [
            vec![],
            vec![("ce_specversion".to_owned(), Bytes::from_static(b"1.0")), ("ce_type".to_owned(), Bytes::from_static(b"node.create"))],
        ] {
            read_all(&Record { key: None, value: value.clone(), headers });
        }
        // readers of facts and outcomes trust their one writer with depth, not with their stack
        let headers = ["fact.node.v1", "outcome.command.v1"].map(|name| ("ce_dataschema".to_owned(), Bytes::from(name)));
        for header in headers {
            let headers = vec![header, ("ce_command".to_owned(), Bytes::from_static(b"1"))];
            read_all(&Record { key: Some(Bytes::from_static(b"node/0123456789abcdef")), value: value.clone(), headers });
        }
    }
}
