//! `schemas/` is what the types say. `UPDATE_SCHEMAS=1 cargo test -p loki-wire --test schemas` writes it anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../schemas")
}

fn published() -> Vec<(&'static str, Value)> {
    loki_wire::schema::published().into_iter().map(|schema| (schema.name, schema.schema.to_value())).collect()
}

/// Keys in order, so that the text does not depend on how serde_json was built.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Every object that describes an object, with the path to it.
fn objects<'a>(path: String, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match schema {
        Value::Object(members) => {
            if schema.get("properties").is_some() {
                found.push((path.clone(), schema));
            }
            members.iter().for_each(|(key, value)| objects(format!("{path}/{key}"), value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(path.clone(), item, found)),
        _ => {}
    }
}

/// The fields of all schemas that carry this mark.
fn marked(mark: &str) -> Vec<String> {
    let mut marked = Vec::new();
    for (name, schema) in published() {
        let mut found = Vec::new();
        objects(String::new(), &schema, &mut found);
        for (path, object) in found {
            let properties = object["properties"].as_object().unwrap();
            let fields = properties.iter().filter(|(_, field)| field.get(mark) == Some(&Value::Bool(true)));
            marked.extend(fields.map(|(field, _)| format!("{name}{} {field}", path.replace("/$defs/", " "))));
        }
    }
    marked.sort();
    marked
}

#[test]
fn the_files_are_what_the_types_say() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (name, schema) in published() {
        let path = folder().join(format!("{name}.json"));
        let wanted = format!("{}\n", serde_json::to_string_pretty(&sorted(&schema)).unwrap());
        if update {
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            found == wanted,
            "`schemas/{name}.json` differs from its type: see `schemas/README.md`, then run this with UPDATE_SCHEMAS=1"
        );
    }
}

#[test]
fn every_file_is_a_published_schema() {
    let files: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(files, published().iter().map(|(name, _)| format!("{name}.json")).collect());
}

#[test]
fn every_schema_is_one_and_names_itself() {
    for (name, schema) in published() {
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(schema["$id"], format!("loki:{name}"));
        assert_eq!(schema["title"], name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["description"].is_string(), "{name}");
    }
}

#[test]
fn every_command_has_a_schema() {
    let commands: Vec<_> =
        published().iter().filter_map(|(name, _)| name.strip_prefix("command.")?.strip_suffix(".v1").map(str::to_owned)).collect();
    assert_eq!(commands, loki_wire::command::TYPES);
}

#[test]
fn commands_are_closed_and_what_is_read_back_is_open() {
    for (name, schema) in published() {
        let mut found = Vec::new();
        objects(String::new(), &schema, &mut found);
        assert!(!found.is_empty(), "{name}");
        for (path, object) in found {
            let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
            assert_eq!(closed, name.starts_with("command."), "{name}{path}");
            assert!(closed || object.get("additionalProperties").is_none(), "{name}{path}");
        }
    }
}

/// Whoever adds a personal field adds it here, and thereby says that it can be erased (or why it is kept).
#[test]
fn the_personal_fields_are_these() {
    assert_eq!(
        marked("x-loki-personal"),
        [
            "command.node.create.v1 contacts",
            "command.node.set.v1 contacts",
            "fact.node.v1 contacts",
            // who asked is what an audit journal is for
            "outcome.command.v1 Fact data",
            "outcome.command.v1 actor",
            // whatever a script prints; it goes after 30 days
            "task-log.chunk.v1 text",
        ]
    );
}

/// A secret never enters the log: a reference to it, or a hash, does. A field so marked would have to say which.
#[test]
fn there_is_no_secret_field() {
    assert_eq!(marked("x-loki-secret"), Vec::<String>::new());
}
