//! A version that was released stays compatible: `fixtures/schemas/` holds each schema as of the last release.
//!
//! Additive changes pass; everything else is a new version. `FREEZE_SCHEMAS=1` takes today's schemas as released, which is refused while one
//! of them breaks the version before.

mod compare;
mod planted;

use std::collections::BTreeMap;
use std::path::PathBuf;

use compare::{Use, breaks};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/schemas")
}

/// Who is on the other side of the schema of this name.
fn usage(name: &str) -> Use {
    if name.starts_with("command.") { Use::Intake } else { Use::Kept }
}

fn published() -> BTreeMap<String, Value> {
    loki_wire::schema::published().into_iter().map(|schema| (schema.name.to_owned(), schema.schema.to_value())).collect()
}

fn frozen() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())
        })
        .collect()
}

#[test]
fn released_schemas_stay_compatible() {
    let published = published();
    for (name, old) in frozen() {
        let new = published.get(&name).unwrap_or_else(|| panic!("`{name}` was released and is no longer published: old records need it"));
        let breaks = breaks(&old, new, usage(&name));
        assert!(breaks.is_empty(), "`{name}` breaks what was released; make it a new version:\n  {}", breaks.join("\n  "));
    }
    if std::env::var_os("FREEZE_SCHEMAS").is_some() {
        for (name, schema) in published {
            // the checked-in file, which another test holds equal to the type
            assert_eq!(serde_json::from_str::<Value>(&checked_in(&name)).unwrap(), schema, "run with UPDATE_SCHEMAS=1 first");
            std::fs::write(folder().join(format!("{name}.json")), checked_in(&name)).unwrap();
        }
    }
}

fn checked_in(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("../../../../../schemas/{name}.json"))).unwrap()
}

#[test]
fn something_is_frozen() {
    assert!(frozen().len() >= 21, "the frozen schemas are gone");
}
