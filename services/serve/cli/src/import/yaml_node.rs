//! A YAML document with the line of every key, which serde's own values do not keep.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, NonFiniteFloatPolicy, Spanned, Tagged};

use super::findings::{Findings, Problem};
use super::limits;
use super::names::quoted;
use super::value::Value;

/// Nodes of the largest inventory that fits the other limits; a node takes some 100 bytes of memory.
const NODES: usize = 4_000_000;

/// A value of a document.
#[derive(Debug)]
pub(crate) enum YamlNode {
    Scalar(Value),
    List(Vec<YamlNode>),
    /// Keys are distinct.
    Map(Vec<Entry>),
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u32,
    pub(crate) value: YamlNode,
}

impl YamlNode {
    /// Reads all documents of a file.
    pub(crate) fn read(text: &str, findings: &mut Findings) -> Result<Vec<Self>, Problem> {
        let documents: Vec<Raw> = serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| problem(&error))?;
        Ok(documents.into_iter().map(|raw| raw.settle(text, findings)).collect())
    }

    /// The value of a variable.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => Value::List(items.into_iter().map(Self::into_value).collect()),
            Self::Map(entries) => Value::Map(entries.into_iter().map(|entry| (entry.key, entry.value.into_value())).collect()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Value::Null))
    }
}

/// Bounds for hostile files, above all the copies that aliases make. A snippet in an error could show a secret.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4 * NODES,
            max_nodes: NODES,
            max_depth: limits::VALUE_DEPTH + 64,
            max_merge_keys: limits::SERVERS,
            max_aliases: limits::SERVERS,
            // Thousands of hosts may share the one anchor; the copies themselves are bounded below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000_000, max_replay_stack_depth: 32 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        ignore_binary_tag_for_string: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
        with_snippet: false,
    }
}

fn problem(error: &Error) -> Problem {
    let error = error.without_snippet();
    let line = error.location().map_or(0, |location| u32::try_from(location.line()).unwrap_or(u32::MAX));
    if passes_limit(error) {
        return Problem { line, message: "file has more entries, nesting or copies by aliases than are read: split it".to_owned() };
    }
    let text = error.to_string();
    // Its text ends with the location, which the line tells already.
    let text = text.split(" at line ").next().unwrap_or_default();
    Problem { line, message: format!("file is not valid YAML: {}", text.trim_end_matches([',', '.'])) }
}

fn passes_limit(error: &Error) -> bool {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => passes_limit(error),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

/// What the parser gives: scalars typed by YAML 1.1, with the place of their spelling.
#[derive(Debug)]
struct Raw {
    start: usize,
    length: usize,
    kind: RawKind,
}

#[derive(Debug)]
enum RawKind {
    Null,
    Vault,
    /// A boolean or a number: the spelling tells, this is what to take when it cannot be found.
    Plain(String),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Tagged(kind, tag), defined, .. } = Spanned::<Tagged<RawKind>>::deserialize(deserializer)?;
        let kind = match tag.as_deref() {
            Some("!vault" | "!vault-encrypted") => RawKind::Vault,
            _ => kind,
        };
        let span = defined.span();
        let place = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        Ok(Self { start: place(span.byte_offset()), length: place(span.byte_len()), kind })
    }
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawKind;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value of YAML")
    }

    fn visit_unit<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawKind, E> {
        Ok(RawKind::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawKind, E> {
        Ok(RawKind::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawKind, E> {
        Ok(RawKind::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawKind, E> {
        Ok(RawKind::Plain(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<RawKind, E> {
        Ok(RawKind::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<RawKind, E> {
        Ok(RawKind::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawKind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawKind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawKind, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(RawKind::Map(map))
    }
}

impl Raw {
    /// Finds the spelling of plain scalars and drops keys that are written twice.
    fn settle(self, source: &str, findings: &mut Findings) -> YamlNode {
        let Self { start, length, kind } = self;
        match kind {
            RawKind::Null => YamlNode::Scalar(Value::Null),
            RawKind::Vault => YamlNode::Scalar(Value::Vault),
            RawKind::Text(text) => YamlNode::Scalar(Value::Text(text)),
            RawKind::Plain(parsed) => {
                let spelling = source.get(start..start.saturating_add(length)).map(str::trim).filter(|spelling| is_plain(spelling));
                YamlNode::Scalar(plain(spelling.unwrap_or(&parsed)))
            }
            RawKind::List(items) => YamlNode::List(items.into_iter().map(|item| item.settle(source, findings)).collect()),
            RawKind::Map(entries) => YamlNode::Map(distinct(entries, source, findings)),
        }
    }
}

/// A scalar without quotes or tag.
fn is_plain(spelling: &str) -> bool {
    spelling.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// The booleans that Ansible knows; anything else that is not text is a number.
fn plain(spelling: &str) -> Value {
    match spelling.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Value::Bool(true),
        "false" | "no" | "off" => Value::Bool(false),
        "y" | "n" => Value::Text(spelling.to_owned()),
        _ => Value::Number(spelling.to_owned()),
    }
}

/// As Ansible, takes the last one of two equal keys and warns.
fn distinct(entries: Vec<(Spanned<String>, Raw)>, source: &str, findings: &mut Findings) -> Vec<Entry> {
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let line = u32::try_from(key.referenced.line()).unwrap_or(u32::MAX);
        let entry = Entry { line, value: value.settle(source, findings), key: key.value };
        match places.get(&entry.key) {
            Some(&place) => {
                let message = format!("key {} is written twice in one mapping: the last one is taken", quoted(&entry.key));
                findings.warning(line, message);
                kept[place] = entry;
            }
            None => {
                places.insert(entry.key.clone(), kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}
