//! Reading JSON: errors name the field, and an object is an object.
//!
//! Serde's derive also takes `["a", "b"]` for a struct of two fields. The schemas do not, and neither does Loki: a field that is added later
//! would change the meaning of every such list.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::error::Error;

/// Reads one JSON object and nothing after it, and names the field that does not fit.
pub(crate) fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    from_json(bytes).map(|Object(value)| value)
}

/// Reads one JSON value and nothing after it.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => Error::Shape { field: field(path, &inner.to_string()), message: inner.to_string() },
            _ => Error::Json(inner.to_string()),
        }
    })?;
    json.end().map_err(|error| Error::Json(error.to_string()))?;
    Ok(value)
}

/// The field that is wrong. Of one that is missing serde says the object, and its name in the message.
fn field(path: String, message: &str) -> String {
    let Some((name, _)) = message.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) else {
        return path;
    };
    if path == "." { name.to_owned() } else { format!("{path}.{name}") }
}

/// An object, for a field.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::<T>::deserialize(deserializer).map(|Object(value)| value)
}

/// An object or null, for a field.
pub(crate) fn object_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// A list of objects, for fields.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// A struct that is read from an object only.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        a: u32,
        #[serde(default, deserialize_with = "objects")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        b: u32,
    }

    #[test]
    fn an_object_is_an_object() {
        assert_eq!(read_json(br#"{"a":1,"inner":[{"b":2}]}"#), Ok(Outer { a: 1, inner: vec![Inner { b: 2 }] }));
        for wrong in [r#"[1,[]]"#, r#"[1,[{"b":2}]]"#, r#"{"a":1,"inner":[[2]]}"#, "null", "1", r#""a""#] {
            assert_eq!(read_json::<Outer>(wrong.as_bytes()).map_err(|error| error.code()), Err("schema_violation"), "{wrong}");
        }
    }

    #[test]
    fn the_field_is_named() {
        let field = |json: &str| read_json::<Outer>(json.as_bytes()).unwrap_err().field().map(str::to_owned);
        assert_eq!(field(r#"{"a":-1}"#).as_deref(), Some("a"));
        assert_eq!(field(r#"{"a":1,"inner":[{"b":2},{"b":"x"}]}"#).as_deref(), Some("inner[1].b"));
        assert_eq!(field(r#"{"inner":[]}"#).as_deref(), Some("a"));
        assert_eq!(field(r#"{"a":1,"inner":[{}]}"#).as_deref(), Some("inner[0].b"));
        assert_eq!(field(r#"{"a":1,"c":2}"#).as_deref(), Some("c"));
        assert_eq!(field(r#"{"a":1,"inner":[{"b":1,"c":2}]}"#).as_deref(), Some("inner[0].c"));
        assert_eq!(field(r#"{"a":1} {}"#), None);
    }
}
