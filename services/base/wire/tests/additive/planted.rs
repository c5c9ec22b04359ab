//! The checker finds what is planted, and lets pass what breaks nobody.

use serde_json::{Value, json};

use crate::compare::{Use, breaks};

/// A schema with one of everything, as the types produce it.
fn base(closed: bool) -> Value {
    let mut schema = json!({
        "$id": "loki:x.v1",
        "title": "x.v1",
        "type": "object",
        "description": "An example.",
        "properties": {
            "name": { "$ref": "#/$defs/Name", "description": "Its name." },
            "size": { "type": "integer", "format": "uint32", "minimum": 1, "maximum": 9 },
            "state": { "type": "string", "enum": ["on", "off"] },
            "note": { "type": ["string", "null"], "maxLength": 10 },
            "who": { "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": 3, "x-loki-personal": true },
            "key": { "type": "string", "x-loki-secret": true },
            "labels": { "type": "object", "propertyNames": { "pattern": "^a" }, "additionalProperties": { "type": "string" }, "default": {} },
            "part": { "anyOf": [{ "$ref": "#/$defs/Part" }, { "type": "null" }] },
        },
        "required": ["name"],
        "$defs": {
            "Name": { "type": "string", "pattern": "^[a-z]+$" },
            "Part": { "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] },
        },
    });
    if closed {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn check(what: &str, usage: Use, change: impl Fn(&mut Value)) -> Vec<String> {
    let old = base(usage == Use::Intake);
    let mut new = old.clone();
    change(&mut new);
    assert_ne!(old, new, "{what}: nothing was planted");
    breaks(&old, &new, usage)
}

/// Sets, or with null removes, what a pointer names.
fn plant(pointer: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |schema| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() { parent.remove(name).map(drop).unwrap() } else { drop(parent.insert(name.to_owned(), value.clone())) }
    }
}

/// Breaks everyone.
fn narrowing() -> Vec<(&'static str, Value)> {
    vec![
        ("/properties/note", Value::Null),
        ("/required", json!(["name", "size"])),
        ("/type", json!("array")),
        ("/properties/size/type", json!("string")),
        ("/properties/note/type", json!("string")),
        ("/properties/state/enum", json!(["on"])),
        ("/properties/state/const", json!("on")),
        ("/properties/size/minimum", json!(2)),
        ("/properties/size/maximum", json!(8)),
        ("/properties/size/exclusiveMaximum", json!(9)),
        ("/properties/size/multipleOf", json!(2)),
        ("/properties/size/format", json!("int8")),
        ("/properties/note/maxLength", json!(9)),
        ("/properties/note/minLength", json!(1)),
        ("/properties/note/pattern", json!("^x")),
        ("/properties/who/maxItems", json!(2)),
        ("/properties/who/minItems", json!(1)),
        ("/properties/who/uniqueItems", json!(true)),
        ("/properties/who/items/minLength", json!(2)),
        ("/properties/who/items/type", json!("integer")),
        ("/properties/who/x-loki-personal", Value::Null),
        ("/properties/key/x-loki-secret", json!(false)),
        ("/properties/labels/propertyNames/pattern", json!("^b")),
        ("/properties/labels/additionalProperties", json!(false)),
        ("/properties/labels/additionalProperties/maxLength", json!(3)),
        ("/properties/labels/maxProperties", json!(3)),
        ("/properties/labels/default", json!({ "a": "b" })),
        ("/properties/labels/default", Value::Null),
        ("/properties/part/anyOf", json!([{ "$ref": "#/$defs/Part" }])),
        ("/properties/note/anyOf", json!([{ "type": "string" }])),
        ("/$defs/Name/pattern", json!("^[a-y]+$")),
        ("/$defs/Name/maxLength", json!(3)),
        ("/$defs/Part/required", json!(["a", "b"])),
        ("/$defs/Part/properties/a/type", json!("string")),
        ("/$defs/Part/properties/a", Value::Null),
        ("/$defs/Part/additionalProperties", json!(false)),
        ("/properties/name/$ref", json!("#/$defs/Part")),
        ("/$id", json!("loki:y.v1")),
        ("/title", json!("y.v1")),
        ("/properties/size/not", json!({ "const": 3 })),
        ("/properties/size/unheardOf", json!(1)),
    ]
}

/// Breaks only those who read with the older schema.
fn widening() -> Vec<(&'static str, Value)> {
    vec![
        ("/required", json!([])),
        ("/properties/size/type", json!(["integer", "null"])),
        ("/properties/size/type", Value::Null),
        ("/properties/state/enum", json!(["on", "off", "lost"])),
        ("/properties/state/enum", Value::Null),
        ("/properties/size/minimum", json!(0)),
        ("/properties/size/maximum", Value::Null),
        ("/properties/size/format", Value::Null),
        ("/properties/note/maxLength", json!(11)),
        ("/properties/who/maxItems", json!(4)),
        ("/properties/who/items/minLength", Value::Null),
        ("/properties/who/items", Value::Null),
        ("/properties/labels/propertyNames", Value::Null),
        ("/properties/labels/additionalProperties", json!(true)),
        ("/properties/part/anyOf", json!([{ "$ref": "#/$defs/Part" }, { "type": "null" }, { "type": "boolean" }])),
        ("/properties/part/anyOf", Value::Null),
        ("/$defs/Name/pattern", Value::Null),
        ("/$defs/Part/required", json!([])),
    ]
}

/// Breaks nobody.
fn harmless() -> Vec<(&'static str, Value)> {
    vec![
        ("/properties/more", json!({ "type": "string" })),
        ("/$defs/Part/properties/b", json!({ "type": "string" })),
        ("/description", json!("Said better.")),
        ("/properties/name/description", Value::Null),
        ("/properties/note/x-loki-personal", json!(true)),
        ("/properties/note/examples", json!(["x"])),
        ("/$defs/Other", json!({ "type": "string" })),
        // the same, written out
        ("/properties/name", json!({ "type": "string", "pattern": "^[a-z]+$" })),
        ("/properties/part/anyOf", json!([{ "type": "null" }, { "$ref": "#/$defs/Part" }])),
    ]
}

#[test]
fn equal_schemas_break_nobody() {
    for usage in [Use::Intake, Use::Kept] {
        let schema = base(usage == Use::Intake);
        assert_eq!(breaks(&schema, &schema, usage), Vec::<String>::new());
    }
}

#[test]
fn every_planted_narrowing_is_found() {
    for (pointer, value) in narrowing() {
        for usage in [Use::Intake, Use::Kept] {
            let what = format!("{pointer} = {value}, {usage:?}");
            assert!(!check(&what, usage, plant(pointer, value.clone())).is_empty(), "{what} was not found");
        }
    }
}

#[test]
fn every_planted_widening_is_found_where_others_read() {
    for (pointer, value) in widening() {
        let what = format!("{pointer} = {value}");
        assert!(!check(&what, Use::Kept, plant(pointer, value.clone())).is_empty(), "{what} was not found");
        assert_eq!(check(&what, Use::Intake, plant(pointer, value.clone())), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn what_breaks_nobody_passes() {
    for (pointer, value) in harmless() {
        for usage in [Use::Intake, Use::Kept] {
            let what = format!("{pointer} = {value}, {usage:?}");
            assert_eq!(check(&what, usage, plant(pointer, value.clone())), Vec::<String>::new(), "{what}");
        }
    }
}

#[test]
fn opening_and_closing_are_found() {
    let (open, closed) = (base(false), base(true));
    assert_eq!(breaks(&open, &closed, Use::Kept), [": narrower: `additionalProperties` allows less"]);
    assert_eq!(breaks(&open, &closed, Use::Intake), [": narrower: `additionalProperties` allows less"]);
    assert_eq!(breaks(&closed, &open, Use::Kept), [": wider: `additionalProperties` allows more"]);
    assert_eq!(breaks(&closed, &open, Use::Intake), Vec::<String>::new());
}

#[test]
fn a_break_says_where_and_what() {
    let found = check("", Use::Kept, plant("/properties/who/items/minLength", json!(2)));
    assert_eq!(found, ["/who/items: narrower: `minLength` allows less"]);
    let found = check("", Use::Kept, plant("/properties/note", Value::Null));
    assert_eq!(found, ["/note: the field is gone"]);
}
