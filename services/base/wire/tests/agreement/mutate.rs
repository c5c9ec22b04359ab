//! Data that is nearly right: frozen data with a few random changes.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// The type's index and its changed data.
pub(crate) fn strategy(data: Vec<Vec<Value>>) -> impl Strategy<Value = (usize, Value)> {
    (any::<Index>(), any::<Index>(), prop::collection::vec((any::<Index>(), change()), 0..3)).prop_map(move |(kind, case, changes)| {
        let kind = kind.index(data.len());
        let mut value = data[kind][case.index(data[kind].len())].clone();
        for (at, change) in changes {
            // the whole is a place as well: data may be a list or a number
            let places = count(&value);
            change.apply(place(&mut value, &mut at.index(places)).expect("a counted place is there"));
        }
        (kind, value)
    })
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove(Index),
    Insert(String, Value),
    /// `[value]`, or for an object the list of its values, which serde alone would take for it.
    List,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => value().prop_map(Change::Replace),
        1 => any::<Index>().prop_map(Change::Remove),
        2 => (prop_oneof![field(), text()], value()).prop_map(|(key, value)| Change::Insert(key, value)),
        1 => Just(Change::List),
    ]
}

impl Change {
    fn apply(self, place: &mut Value) {
        match (self, &mut *place) {
            (Self::Replace(value), _) => *place = value,
            (Self::Remove(at), Value::Object(members)) if !members.is_empty() => {
                let key = members.keys().nth(at.index(members.len())).cloned();
                key.and_then(|key| members.remove(&key));
            }
            (Self::Remove(at), Value::Array(items)) if !items.is_empty() => {
                items.remove(at.index(items.len()));
            }
            (Self::Remove(_), _) => *place = Value::Null,
            (Self::Insert(key, value), Value::Object(members)) => {
                members.insert(key, value);
            }
            (Self::Insert(_, value), Value::Array(items)) => items.push(value),
            (Self::Insert(key, value), _) => *place = json!({ key: value }),
            (Self::List, Value::Object(members)) => *place = members.values().cloned().collect(),
            (Self::List, _) => *place = json!([place.take()]),
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// The `at`th value, counted from the outside in.
fn place<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Object(members) => members.values_mut().find_map(|value| place(value, at)),
        Value::Array(items) => items.iter_mut().find_map(|value| place(value, at)),
        _ => None,
    }
}

fn value() -> impl Strategy<Value = Value> {
    let list = |count: usize| prop::collection::vec(text().prop_map(Value::from), count).prop_map(Value::from);
    let map = |count: usize| {
        prop::collection::vec((text(), prop_oneof![8 => text().prop_map(Value::from), 1 => Just(Value::Null), 1 => Just(json!(1))]), count)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
    };
    let labels = |count: usize| Value::Object((0..count).map(|i| (format!("key-{i}"), json!("v"))).collect());
    prop_oneof![
        8 => text().prop_map(Value::from),
        1 => number(),
        1 => prop_oneof![Just(Value::Null), Just(json!(true)), Just(json!(false)), Just(json!([])), Just(json!({}))],
        1 => prop_oneof![(0..4usize).prop_flat_map(list), Just(json!(vec!["t"; 64])), Just(json!(vec!["t"; 65])), Just(json!(vec!["2xx"; 16])), Just(json!(vec!["2xx"; 17]))],
        1 => prop_oneof![(0..4usize).prop_flat_map(map), Just(labels(64)), Just(labels(65))],
        1 => prop_oneof![Just(500usize), Just(501)].prop_map(|count| json!(vec![json!({ "server": "web01" }); count])),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..=1_000_000u32).prop_map(Value::from),
        prop::sample::select(vec![
            json!(0),
            json!(1),
            json!(30_000),
            json!(30_001),
            json!(-1),
            json!(1_000_000),
            json!(1_000_001),
            json!(u64::from(u32::MAX) + 1),
            json!(0.5),
            json!(1e300)
        ]),
    ]
}

fn field() -> impl Strategy<Value = String> {
    let fields = [
        "node",
        "to",
        "path",
        "name",
        "server",
        "state",
        "labels",
        "contacts",
        "ratio",
        "offline",
        "mounts",
        "membership",
        "pattern",
        "again",
        "scheme",
        "vendor",
        "expect",
        "status",
        "body",
        "within_ms",
    ];
    prop::sample::select(fields.map(str::to_owned).to_vec())
}

/// Texts that are right somewhere, wrong somewhere, or one character over a limit.
fn text() -> impl Strategy<Value = String> {
    let texts = [
        "",
        "/",
        "/a",
        "/a/",
        "//a",
        "a/b",
        "/a b",
        "/a.b",
        "/支付",
        "/e\u{301}",
        "web01",
        "Web01",
        "web_1-x.y",
        "-a",
        ".a",
        "_a",
        "a*",
        "a?",
        "*",
        "[a]",
        "0123456789abcdef",
        "0123456789abcdeu",
        "0123456789abcde",
        "0123456789ABCDEF",
        "id:0123456789abcdef",
        "id:",
        "id:web01",
        "in_stock",
        "online",
        "offline",
        "maintenance",
        "retired",
        "Online",
        "支付",
        "tab\t",
        "line\n",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "env/x-1.y",
        "shop.example",
        "shop.example:8443",
        "a:65535",
        "a:65536",
        "a:0",
        "a:08",
        "127.0.0.1",
        "256.0.0.1",
        "01.1.1.1",
        "1.2.3",
        "a.1x",
        "a..b",
        "a-",
        "/a%2F?b=c",
        "/a%2",
        "/a#b",
        "http",
        "https",
        "200",
        "2xx",
        "2x",
        "600",
        "a key",
        "^",
        "`",
        "{",
        "[",
        "]",
        "@",
        ":",
    ];
    let long = [
        ("x", 63),
        ("x", 64),
        ("x", 65),
        ("x", 253),
        ("x", 254),
        ("x", 255),
        ("x", 256),
        ("x", 257),
        ("支", 256),
        ("支", 257),
        ("/a", 32),
        ("/a", 33),
        ("/a", 256),
        ("/aa", 171),
        ("a.", 126),
    ];
    let known: Vec<_> = texts.into_iter().map(str::to_owned).chain(long.into_iter().map(|(text, times)| text.repeat(times))).collect();
    prop_oneof![6 => prop::sample::select(known), 2 => "[ -~]{0,8}", 1 => "[a-z0-9._/*-]{1,12}", 1 => "\\PC{0,6}", 1 => any::<String>()]
}
