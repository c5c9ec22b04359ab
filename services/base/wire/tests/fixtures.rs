//! Records that were written once are read for ever, and always the same way.
//!
//! `fixtures/<name>.json` holds records as they lie in the log, `<name>.expected.json` what reading them gives. Neither is ever edited after a
//! release: a new case is a new record at the end. `WRITE_FIXTURES=1` writes an expected file that is not there yet, never one that is.

mod corpus;

use std::collections::BTreeSet;

use corpus::{Case, cases, path};
use loki_wire::{Change, Envelope, Intake, command, digest, fact, outcome, sample, task_log};
use serde_json::{Value, json};

/// What reading gives, as JSON.
fn read(name: &str, case: &Case) -> Value {
    let (key, value, headers) = case.record();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    match name.split('.').next() {
        Some("command") => {
            let envelope = Envelope::read(value.as_ref(), &headers).unwrap();
            let intake = Intake::read(&envelope).unwrap();
            assert_eq!(name, format!("command.{}.v1", intake.command.type_name()));
            json!({
                "case": case.case,
                "type": intake.command.type_name(),
                "id": envelope.id,
                "actor": envelope.actor,
                "expires_ms": envelope.expires_ms,
                "traceparent": envelope.traceparent,
                "digest": digest::to_hex(&intake.digest),
                "data": json(&command::write(&intake.command)),
            })
        }
        Some("fact") => {
            let fact = fact::read(42, key.as_ref(), value.as_ref(), &headers).unwrap();
            let data = match &fact.change {
                Change::Log(id) => json!({ "id": id.to_string() }),
                Change::Set(entity) => json(&fact::v1::write_entity(entity)),
                Change::Removed(_) => Value::Null,
            };
            json!({ "case": case.case, "key": fact.change.log_key(), "command": fact.command, "last": fact.last, "data": data })
        }
        Some("outcome") => {
            let outcome = outcome::read(value.as_ref(), &headers).unwrap();
            // the chain goes over the bytes as written, not as written again
            let hash = digest::to_hex(&outcome::hash(&value.unwrap()));
            json!({ "case": case.case, "hash": hash, "data": json(&outcome::write(&outcome, None).value) })
        }
        Some("sample") => {
            let points = sample::read(value.as_ref(), &headers).unwrap();
            let points = points.iter().map(|point| match point {
                Ok(sample) => json!(format!("{} {} {}", sample.series, sample.at, sample.value)),
                Err(error) => json!({ "code": error.code(), "field": error.field() }),
            });
            json!({ "case": case.case, "points": points.collect::<Vec<_>>() })
        }
        Some("task-log") => {
            let chunk = task_log::read(value.as_ref(), &headers).unwrap();
            json!({ "case": case.case, "id": chunk.id(), "step": chunk.step, "bytes": chunk.bytes, "text": chunk.text, "last": chunk.is_last })
        }
        _ => panic!("`{name}`: a kind without a reader"),
    }
}

/// The canonical form of the files of one published type.
fn check(name: &str) {
    let got: Vec<_> = cases(name).iter().map(|case| read(name, case)).collect();
    let path = path(&format!("fixtures/{name}.expected.json"));
    if !path.exists() && std::env::var_os("WRITE_FIXTURES").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&got).unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(&expected) {
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn every_published_type_reads_its_records_as_ever() {
    for schema in loki_wire::schema::published() {
        check(schema.name);
    }
}

#[test]
fn every_record_belongs_to_a_published_type() {
    let published: BTreeSet<_> = loki_wire::schema::published().into_iter().map(|schema| schema.name.to_owned()).collect();
    let files: BTreeSet<_> = std::fs::read_dir(path("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let wanted = published.iter().flat_map(|name| [format!("{name}.json"), format!("{name}.expected.json")]).collect();
    assert_eq!(files, wanted);
}

#[test]
fn what_was_read_is_written_so_that_it_reads_the_same() {
    for schema in loki_wire::schema::published() {
        for case in cases(schema.name) {
            let (key, value, headers) = case.record();
            match schema.name.split('.').next() {
                Some("command") => {
                    let intake = Intake::read(&Envelope::read(value.as_ref(), &headers).unwrap()).unwrap();
                    let again = Envelope::new(intake.command.type_name(), command::write(&intake.command));
                    let again = Intake::read(&Envelope::read(Some(&again.data), &again.headers()).unwrap()).unwrap();
                    assert_eq!(again.command, intake.command, "{}: {}", schema.name, case.case);
                    assert_eq!(again.digest, intake.digest, "{}: {}", schema.name, case.case);
                }
                Some("fact") => {
                    let fact = fact::read(42, key.as_ref(), value.as_ref(), &headers).unwrap();
                    let again = fact::write(&fact.change, fact.command, 0, fact.last, None);
                    let again = fact::read(42, Some(&again.key), again.value.as_ref(), &again.headers).unwrap();
                    assert_eq!(again, fact, "{}: {}", schema.name, case.case);
                }
                Some("sample") => {
                    let good = |points: Vec<Result<_, _>>| points.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
                    let samples = good(sample::read(value.as_ref(), &headers).unwrap());
                    let (value, headers) = sample::write(&samples);
                    assert_eq!(good(sample::read(Some(&value), &headers).unwrap()), samples, "{}: {}", schema.name, case.case);
                }
                Some("task-log") => {
                    let chunk = task_log::read(value.as_ref(), &headers).unwrap();
                    let (_, value, headers) = task_log::write(&chunk);
                    assert_eq!(task_log::read(Some(&value), &headers).unwrap(), chunk, "{}: {}", schema.name, case.case);
                }
                _ => {
                    let outcome = outcome::read(value.as_ref(), &headers).unwrap();
                    let again = outcome::write(&outcome, None);
                    assert_eq!(outcome::read(Some(&again.value), &again.headers).unwrap(), outcome, "{}: {}", schema.name, case.case);
                }
            }
        }
    }
}
