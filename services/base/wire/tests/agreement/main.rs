//! Intake and the published schemas agree: what a schema refuses no command may hold, and the other way round.
//!
//! Data is made from the frozen records by random changes: values at, below and beyond every limit, fields taken away, added, wrapped.

#[path = "../corpus/mod.rs"]
mod corpus;
mod mutate;

use std::cell::Cell;

use bytes::Bytes;
use jsonschema::Validator;
use loki_wire::{Envelope, Intake, command, schema};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Each command type with its data in the frozen records, and its schema.
fn types() -> Vec<(&'static str, Vec<Value>, Validator)> {
    let schemas = schema::published();
    let of = |kind: &'static str| {
        let name = format!("command.{kind}.v1");
        let schema = schemas.iter().find(|schema| schema.name == name).unwrap();
        let data = corpus::cases(&name).into_iter().map(|case| serde_json::from_slice(&case.record().1.expect(&case.case)).unwrap());
        (kind, data.collect(), jsonschema::validator_for(schema.schema.as_value()).unwrap())
    };
    command::TYPES.into_iter().map(of).collect()
}

fn read(kind: &str, data: &Value) -> Result<Intake, loki_wire::Error> {
    Intake::read(&Envelope::new(kind, Bytes::from(data.to_string())))
}

/// Where patterns that every validator understands cannot say it: names in other scripts. And `5.0` is an integer for a schema.
fn beyond_schemas(data: &Value) -> bool {
    match data {
        Value::String(text) => !text.is_ascii(),
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(beyond_schemas),
        Value::Object(members) => members.iter().any(|(key, value)| !key.is_ascii() || beyond_schemas(value)),
        _ => false,
    }
}

#[test]
fn intake_and_schemas_agree() {
    let types = types();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 6000, failure_persistence: None, ..Config::default() });
    let strategy = mutate::strategy(types.iter().map(|(_, data, _)| data.clone()).collect());
    runner
        .run(&strategy, |(index, data)| {
            let (kind, _, schema) = &types[index];
            let (read, valid) = (read(kind, &data), schema.is_valid(&data));
            let count = if read.is_ok() { &accepted } else { &refused };
            count.set(count.get() + 1);
            assert!(valid || read.is_err(), "accepted against its schema: {kind} {data}");
            assert!(!valid || read.is_ok() || beyond_schemas(&data), "valid and refused: {kind} {data}: {:?}", read.err());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // both ways were really gone
    assert!(accepted.get() > 500 && refused.get() > 500, "accepted {}, refused {}", accepted.get(), refused.get());
}

#[test]
fn both_accept_every_frozen_record() {
    for (kind, data, schema) in types() {
        for data in data {
            assert!(schema.is_valid(&data) && read(kind, &data).is_ok(), "{kind} {data}");
        }
    }
}

#[test]
fn both_refuse_a_field_that_is_not_known() {
    for (kind, data, schema) in types() {
        for mut data in data {
            data["colour"] = json!("blue");
            let refusal = read(kind, &data).unwrap_err();
            assert_eq!((refusal.code(), refusal.field()), ("schema_violation", Some("colour")), "{kind}");
            assert!(!schema.is_valid(&data), "{kind}");
        }
    }
    let data = json!({ "node": "/acme", "mounts": [{ "server": "web01", "colour": "blue" }] });
    assert_eq!(read("server.weigh", &data).unwrap_err().field(), Some("mounts[0].colour"));
    let data = json!({ "name": "a", "node": "/acme", "expect": { "colour": "blue" } });
    assert_eq!(read("domain.set", &data).unwrap_err().field(), Some("expect.colour"));
}

#[test]
fn the_limits_are_the_same_to_the_letter() {
    let types = types();
    let check = |kind: &str, good: Value, bad: Value| {
        let (_, _, schema) = types.iter().find(|(name, ..)| *name == kind).unwrap();
        for (data, wanted) in [(good, true), (bad, false)] {
            assert_eq!((read(kind, &data).is_ok(), schema.is_valid(&data)), (wanted, wanted), "{kind} {data}");
        }
    };
    let path = |names: usize| "/a".repeat(names);
    let labels = |count: usize| (0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let texts = |count: usize| vec!["t"; count];
    let mounts = |count: usize| vec![json!({ "server": "web01" }); count];
    let long = |length: usize| "x".repeat(length);
    check("node.create", json!({ "path": path(32) }), json!({ "path": path(33) }));
    check("node.create", json!({ "path": format!("/{}", long(64)) }), json!({ "path": format!("/{}", long(65)) }));
    check("node.create", json!({ "path": "/a", "labels": labels(64) }), json!({ "path": "/a", "labels": labels(65) }));
    check("node.create", json!({ "path": "/a", "contacts": texts(64) }), json!({ "path": "/a", "contacts": texts(65) }));
    check("node.set", json!({ "node": "/a", "labels": { long(63): null } }), json!({ "node": "/a", "labels": { long(64): null } }));
    check("server.register", json!({ "name": long(253) }), json!({ "name": long(254) }));
    check("server.register", json!({ "name": "a", "idc": "支".repeat(256) }), json!({ "name": "a", "idc": "支".repeat(257) }));
    check(
        "server.mount",
        json!({ "server": "a", "node": "/", "ratio": 1_000_000 }),
        json!({ "server": "a", "node": "/", "ratio": 1_000_001 }),
    );
    check("server.weigh", json!({ "node": "/", "mounts": mounts(500) }), json!({ "node": "/", "mounts": mounts(501) }));
    check("server.weigh", json!({ "node": "/", "mounts": mounts(1) }), json!({ "node": "/", "mounts": mounts(0) }));
    check("server.state", json!({ "server": "a", "state": "offline" }), json!({ "server": "a", "state": "retired" }));
    check("membership.set", json!({ "pattern": "*".repeat(253) }), json!({ "pattern": "*".repeat(254) }));
    let domain = |field: &str, value: Value| {
        let mut data = json!({ "name": "a", "node": "/" });
        data[field] = value;
        data
    };
    let host = |last: usize| [long(63), long(63), long(63), long(last)].join(".");
    check("domain.set", domain("name", host(61).into()), domain("name", host(62).into()));
    check("domain.set", domain("name", long(63).into()), domain("name", long(64).into()));
    check("domain.set", domain("name", "a:65535".into()), domain("name", "a:65536".into()));
    check("domain.set", domain("name", "255.255.255.255".into()), domain("name", "255.255.255.256".into()));
    check("domain.set", domain("path", format!("/{}", long(511)).into()), domain("path", format!("/{}", long(512)).into()));
    check("domain.set", domain("vendor", long(255).into()), domain("vendor", long(256).into()));
    check("domain.set", domain("expect", json!({ "status": vec!["200"; 16] })), domain("expect", json!({ "status": vec!["200"; 17] })));
    check("domain.set", domain("expect", json!({ "status": ["5xx"] })), domain("expect", json!({ "status": [] })));
    check("domain.set", domain("expect", json!({ "within_ms": 30_000 })), domain("expect", json!({ "within_ms": 30_001 })));
    check("domain.set", domain("expect", json!({ "within_ms": 1 })), domain("expect", json!({ "within_ms": 0 })));
    check("domain.set", domain("expect", json!({})), domain("expect", json!([["2xx"]])));
    let health = |health: Value| json!({ "name": "a", "version": "1", "url": "artifact", "sha256": "0".repeat(64), "size": 1, "manifest": { "health": health } });
    let tcp = json!({ "type": "tcp", "port": 1 });
    check("package.register", health(json!({ "check": tcp })), health(json!([tcp])));
    check("package.register", health(Value::Null), health(json!({ "check": ["tcp", 1] })));
}
