//! A variable's value, before it becomes the text of a label.

use std::fmt::Write as _;

/// What a variable holds. Scalars keep the file's spelling: a version `1.10` must not become `1.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// Encrypted by `ansible-vault`; its text was dropped when it was read.
    Vault,
}

impl Value {
    /// The label's text: scalars as they are, nothing for null, compact JSON for lists and mappings.
    pub(crate) fn render(&self) -> String {
        match self {
            Self::Null | Self::Vault => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(_) | Self::Map(_) => self.json().to_string(),
        }
    }

    /// A template needs Ansible to be evaluated; kept as it is, it would be a wrong label.
    pub(crate) fn is_template(&self) -> bool {
        match self {
            Self::Text(text) => text.contains("{{") || text.contains("{%"),
            Self::List(items) => items.iter().any(Self::is_template),
            Self::Map(entries) => entries.iter().any(|(_, value)| value.is_template()),
            _ => false,
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Vault => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(text) => number(text).unwrap_or_else(|| text.clone().into()),
            Self::Text(text) => text.clone().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(entries) => serde_json::Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.json())).collect()),
        }
    }
}

/// A number's spelling as JSON; `None` keeps it as text.
fn number(spelling: &str) -> Option<serde_json::Value> {
    let digits = spelling.replace('_', "");
    if let Ok(whole) = digits.parse::<i64>() {
        return Some(whole.into());
    }
    let radix = |prefix: &str, radix| i64::from_str_radix(digits.to_ascii_lowercase().strip_prefix(prefix)?, radix).ok();
    if let Some(whole) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        return Some(whole.into());
    }
    serde_json::Number::from_f64(digits.parse().ok()?).map(Into::into)
}

/// Appends a character's text; a name for the one operation that the two quoting grammars share.
pub(crate) fn push_code_point(out: &mut String, code: u32) -> Option<()> {
    out.write_char(char::from_u32(code)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_compactly() {
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |text: &str| Value::Number(text.to_owned());
        let cases = [
            (Value::Null, ""),
            (Value::Bool(true), "true"),
            (number("1.10"), "1.10"),
            (number("0x1F"), "0x1F"),
            (text(" as is "), " as is "),
            (Value::List(vec![number("1"), text("a"), Value::Null]), r#"[1,"a",null]"#),
            (Value::List(vec![number("1_000"), number("0x1F"), number("1.5"), number("9e999")]), r#"[1000,31,1.5,"9e999"]"#),
            (Value::Map(vec![("b".into(), Value::List(vec![])), ("a".into(), Value::Bool(false))]), r#"{"a":false,"b":[]}"#),
        ];
        for (value, expected) in cases {
            assert_eq!(value.render(), expected, "{value:?}");
        }
    }

    #[test]
    fn finds_templates_in_depth() {
        let template = Value::Text("{{ inventory_hostname }}".to_owned());
        assert!(Value::Map(vec![("a".into(), Value::List(vec![template]))]).is_template());
        assert!(!Value::Text("{ a }".to_owned()).is_template());
    }
}
