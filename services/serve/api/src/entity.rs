//! Entities as JSON, the same as in their facts.

use loki_domain::Entity;
use serde_json::value::RawValue;

/// The fact's JSON of an entity.
pub(crate) fn json(entity: &Entity) -> Box<RawValue> {
    let text = String::from_utf8(loki_wire::fact::v1::write_entity(entity)).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The fact's JSON, or null.
pub(crate) fn json_or_null(entity: Option<&Entity>) -> Option<Box<RawValue>> {
    entity.map(json)
}
