//! Lays one source of settings over another and notes every mistake on the way.

use toml::{Table, Value};

/// Settings so far, and what is wrong with them.
pub(super) struct Layers {
    settings: Table,
    pub(super) mistakes: Vec<String>,
}

/// Tables whose keys are not ours.
const FREE: [&str; 2] = ["kafka.options", "artifacts.options"];

impl Layers {
    /// Begins with the defaults, which say what keys there are and of which type.
    pub(super) fn new(defaults: &str) -> Result<Self, toml::de::Error> {
        Ok(Self { settings: defaults.parse()?, mistakes: Vec::new() })
    }

    pub(super) fn into_table(self) -> Table {
        self.settings
    }

    /// A file's text.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        match text.parse::<Table>() {
            Ok(table) => overlay(&mut self.settings, table, "", name, &mut self.mistakes),
            // not its Display, which quotes the line: that may hold a secret
            Err(error) => self.mistakes.push(format!("{name}{}: {}", line(text, &error), error.message())),
        }
    }

    /// Environment variables `LOKI__A__B`. Others are none of our business.
    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut ours: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, text)| name.strip_prefix("LOKI__").map(|rest| (rest.to_lowercase(), name.clone(), text)))
            .collect();
        ours.sort();
        for (rest, name, text) in ours {
            self.set(&rest.split("__").collect::<Vec<_>>(), &text, &name);
        }
    }

    /// One key from a text, typed as its default is.
    pub(super) fn set(&mut self, path: &[&str], text: &str, source: &str) {
        let dotted = path.join(".");
        let Some(slot) = find(&mut self.settings, path) else {
            self.mistakes.push(format!("{source}: there is no setting `{dotted}`"));
            return;
        };
        let typed = match slot {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(_) => inline(text).filter(Value::is_array),
            Value::Table(_) if FREE.contains(&dotted.as_str()) => inline(text).filter(Value::is_table),
            _ => None,
        };
        match typed {
            Some(value) => *slot = value,
            None => self.mistakes.push(format!("{source}: `{dotted}` must be {}", kind(slot))),
        }
    }
}

/// A value as TOML has it on one line.
fn inline(text: &str) -> Option<Value> {
    format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"))
}

/// Where in the file it is wrong.
fn line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map(|before| format!(" line {}", before.matches('\n').count() + 1)).unwrap_or_default()
}

fn find<'a>(table: &'a mut Table, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get_mut(*first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table_mut()?, rest) }
}

fn overlay(under: &mut Table, over: Table, prefix: &str, source: &str, mistakes: &mut Vec<String>) {
    for (key, value) in over {
        let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (under.get_mut(&key), value) {
            (None, _) => mistakes.push(format!("{source}: there is no setting `{dotted}`")),
            (Some(Value::Table(slot)), Value::Table(value)) if !FREE.contains(&dotted.as_str()) => {
                overlay(slot, value, &dotted, source, mistakes)
            }
            (Some(slot), value) if slot.same_type(&value) => *slot = value,
            (Some(slot), _) => mistakes.push(format!("{source}: `{dotted}` must be {}", kind(slot))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Table(_) => "a table",
        Value::Array(_) => "a list, `[\"a\", \"b\"]`",
        _ => "a text",
    }
}
