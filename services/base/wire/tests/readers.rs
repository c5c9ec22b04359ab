//! Facts and outcomes: readers ignore fields that they do not know, and stop at a type or version that they do not know.

mod corpus;

use bytes::Bytes;
use corpus::{Case, cases};
use loki_wire::{Error, fact, outcome, schema};
use serde_json::{Value, json};

/// What reading gives, comparable.
fn read(name: &str, key: Option<&Bytes>, value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<String, Error> {
    if name.starts_with("fact.") {
        fact::read(42, key, value, headers).map(|fact| format!("{fact:?}"))
    } else {
        // the hash of the previous outcome is of bytes, and the facts' own data is passed on as it is
        outcome::read(value, headers).map(|outcome| format!("{outcome:?}"))
    }
}

/// Every record of facts and outcomes.
fn records() -> impl Iterator<Item = (&'static str, Case)> {
    let names = schema::published()
        .into_iter()
        .map(|schema| schema.name)
        .filter(|name| ["fact.", "outcome."].iter().any(|kind| name.starts_with(kind)));
    names.flat_map(|name| cases(name).into_iter().map(move |case| (name, case)))
}

/// Puts an unknown field into every object that a schema describes.
fn put_unknown(name: &str, value: &mut Value) {
    value["later"] = json!({ "deep": [1, null] });
    for inner in ["sweep", "expect"] {
        if let Some(inner) = value.get_mut(inner).filter(|inner| inner.is_object()) {
            inner["later"] = json!(1);
        }
    }
    if name == "outcome.command.v1" {
        value.get_mut("facts").into_iter().filter_map(Value::as_array_mut).flatten().for_each(|fact| fact["later"] = json!("x"));
    }
}

#[test]
fn unknown_fields_are_ignored_by_readers_and_allowed_by_schemas() {
    for (name, case) in records() {
        let (key, Some(value), mut headers) = case.record() else { continue };
        let mut later: Value = serde_json::from_slice(&value).unwrap();
        let plain = read(name, key.as_ref(), Some(&Bytes::from(later.to_string())), &headers).unwrap();
        put_unknown(name, &mut later);
        headers.push(("ce_later".to_owned(), Bytes::from_static(b"\xff")));
        let schema = schema::published().into_iter().find(|schema| schema.name == name).unwrap();
        assert!(jsonschema::is_valid(schema.schema.as_value(), &later), "{name}: {}", case.case);
        assert_eq!(read(name, key.as_ref(), Some(&Bytes::from(later.to_string())), &headers).unwrap(), plain, "{name}: {}", case.case);
    }
}

#[test]
fn an_unknown_version_stops_the_reader() {
    for (name, case) in records() {
        let (key, value, mut headers) = case.record();
        if value.is_none() {
            continue;
        }
        for other in [name.replace(".v1", ".v2"), name.replace(".v1", ".v1x"), name.replace(".v1", ""), String::new(), "x".to_owned()] {
            headers.retain(|(name, _)| name != "ce_dataschema");
            headers.push(("ce_dataschema".to_owned(), Bytes::from(other.clone())));
            assert_eq!(read(name, key.as_ref(), value.as_ref(), &headers), Err(Error::UnknownVersion(other)), "{name}: {}", case.case);
        }
        headers.retain(|(name, _)| name != "ce_dataschema");
        let error = read(name, key.as_ref(), value.as_ref(), &headers).unwrap_err();
        assert_eq!(error.code(), "unknown_version", "{name}: {}", case.case);
    }
}

#[test]
fn an_unknown_type_stops_the_reader() {
    let (_, case) = records().find(|(name, _)| *name == "fact.node.v1").unwrap();
    let (key, value, mut headers) = case.record();
    headers.retain(|(name, _)| name != "ce_dataschema");
    headers.push(("ce_dataschema".to_owned(), Bytes::from_static(b"fact.rack.v1")));
    assert_eq!(fact::read(42, key.as_ref(), value.as_ref(), &headers), Err(Error::UnknownType("rack".to_owned())));
    let removed = fact::read(42, Some(&Bytes::from_static(b"rack/0123456789abcdef")), None, &headers).unwrap_err();
    assert_eq!((removed.code(), removed.field()), ("bad_envelope", Some("key")));
}

#[test]
fn a_missing_field_stops_the_reader() {
    for (name, case) in records() {
        let (key, Some(value), headers) = case.record() else { continue };
        let value: Value = serde_json::from_slice(&value).unwrap();
        let schema = schema::published().into_iter().find(|schema| schema.name == name).unwrap();
        for field in schema.schema.as_value()["required"].as_array().unwrap() {
            let field = field.as_str().unwrap();
            let mut less = value.clone();
            less.as_object_mut().unwrap().remove(field);
            let error = read(name, key.as_ref(), Some(&Bytes::from(less.to_string())), &headers).unwrap_err();
            assert_eq!((error.code(), error.field()), ("schema_violation", Some(field)), "{name}: {}", case.case);
        }
    }
}

#[test]
fn what_the_decider_writes_is_as_the_schemas_say() {
    for (name, case) in records() {
        let (key, value, headers) = case.record();
        let written = if name.starts_with("fact.") {
            fact::write(&fact::read(42, key.as_ref(), value.as_ref(), &headers).unwrap().change, 17, 0, true, None).value
        } else {
            Some(outcome::write(&outcome::read(value.as_ref(), &headers).unwrap(), None).value)
        };
        let schema = schema::published().into_iter().find(|schema| schema.name == name).unwrap();
        assert_eq!(written.is_some(), value.is_some(), "{name}: {}", case.case);
        for json in written.iter().chain(&value) {
            let json: Value = serde_json::from_slice(json).unwrap();
            assert!(jsonschema::is_valid(schema.schema.as_value(), &json), "{name}: {}: {json}", case.case);
        }
    }
}
