//! Which changes of a schema break someone.
//!
//! What was valid stays valid: records are kept for ever, and senders are not upgraded with us. That holds for every schema. What Loki writes
//! (facts, outcomes) is also read by programs that hold the older schema, so there nothing may become valid that was not: only new fields
//! that need not be there, which such readers ignore.
//!
//! The checker knows the keywords that our types produce. Of any other it only knows whether it changed, and then says so.

use std::collections::BTreeSet;

use serde_json::Value;

/// Who is on the other side of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Commands: others write, Loki reads.
    Intake,
    /// Facts and outcomes: Loki writes and reads, others read.
    Kept,
}

/// For people only: they may change freely.
const FREE: [&str; 4] = ["description", "$comment", "examples", "$defs"];
/// Whoever relies on the mark loses it with it; to gain it does no harm.
const MARKS: [&str; 2] = ["x-loki-personal", "x-loki-secret"];
/// A larger one is narrower, a smaller one wider; and the other way round.
const LOWER_BOUNDS: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const UPPER_BOUNDS: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// To add one is narrower, to take it away wider, and what another text means only people can judge.
const TEXTS: [&str; 4] = ["pattern", "format", "multipleOf", "uniqueItems"];
/// Compared by functions of their own below.
const KNOWN: [&str; 11] =
    ["type", "enum", "const", "properties", "required", "additionalProperties", "propertyNames", "items", "anyOf", "oneOf", "$ref"];

/// Every change from `old` to `new` that breaks someone, in words that begin with the place.
pub(crate) fn breaks(old: &Value, new: &Value, usage: Use) -> Vec<String> {
    let mut compared = Compared { old_root: old, new_root: new, usage, breaks: Vec::new() };
    compared.schema("", old, new, 0);
    compared.breaks
}

struct Compared<'a> {
    old_root: &'a Value,
    new_root: &'a Value,
    usage: Use,
    breaks: Vec<String>,
}

impl<'a> Compared<'a> {
    fn schema(&mut self, at: &str, old: &'a Value, new: &'a Value, depth: usize) {
        assert!(depth < 32, "`{at}`: a type that holds itself needs a checker that stops");
        let (old, new) = (Schema::resolve(self.old_root, old), Schema::resolve(self.new_root, new));
        self.set(at, "type", old.types(), new.types());
        self.set(at, "enum", old.allowed("enum"), new.allowed("enum"));
        self.set(at, "const", old.allowed("const"), new.allowed("const"));
        for name in LOWER_BOUNDS {
            self.bound(at, name, old.number(name), new.number(name));
        }
        for name in UPPER_BOUNDS {
            self.bound(at, name, old.number(name).map(|n| -n), new.number(name).map(|n| -n));
        }
        for name in TEXTS {
            match (old.get(name), new.get(name)) {
                (old, new) if old == new => {}
                (None, _) => self.narrower(at, format!("`{name}` is new")),
                (_, None) => self.wider(at, format!("`{name}` is gone")),
                (Some(old), Some(new)) => self.breaks.push(format!("{at}: `{name}` changed from {old} to {new}")),
            }
        }
        for name in MARKS {
            if old.get(name).is_some() && old.get(name) != new.get(name) {
                self.breaks.push(format!("{at}: `{name}` is gone"));
            }
        }
        self.fields(at, &old, &new, depth);
        for name in ["items", "propertyNames"] {
            self.inner(at, name, old.get(name), new.get(name), depth);
        }
        self.any_of(at, &old, &new, depth);
        self.others(at, &old, &new);
    }

    fn fields(&mut self, at: &str, old: &Schema<'a>, new: &Schema<'a>, depth: usize) {
        let (before, after) = (old.fields(), new.fields());
        let (required_before, required_after) = (old.required(), new.required());
        for (name, field) in &before {
            match after.iter().find(|(other, _)| other == name) {
                Some((_, new)) => self.schema(&format!("{at}/{name}"), field, new, depth + 1),
                None => self.breaks.push(format!("{at}/{name}: the field is gone")),
            }
        }
        for name in required_after.difference(&required_before) {
            self.narrower(at, format!("`{name}` is now required"));
        }
        for name in required_before.difference(&required_after) {
            self.wider(at, format!("`{name}` is no longer required"));
        }
        self.inner(at, "additionalProperties", old.get("additionalProperties"), new.get("additionalProperties"), depth);
    }

    /// A schema within this one; absent is the same as `true`, which allows everything.
    fn inner(&mut self, at: &str, name: &str, old: Option<&'a Value>, new: Option<&'a Value>, depth: usize) {
        let everything = |schema: Option<&Value>| schema.is_none_or(|schema| *schema == Value::Bool(true));
        let nothing = |schema: Option<&Value>| schema == Some(&Value::Bool(false));
        match (old, new) {
            (old, new) if everything(old) && everything(new) || nothing(old) && nothing(new) => {}
            (old, new) if everything(old) || nothing(new) => self.narrower(at, format!("`{name}` allows less")),
            (old, new) if everything(new) || nothing(old) => self.wider(at, format!("`{name}` allows more")),
            (Some(old), Some(new)) => self.schema(&format!("{at}/{name}"), old, new, depth + 1),
            _ => {}
        }
    }

    /// Each old branch must have a new one that does not break it, and for what is kept the other way round.
    fn any_of(&mut self, at: &str, old: &Schema<'a>, new: &Schema<'a>, depth: usize) {
        for name in ["anyOf", "oneOf"] {
            let (before, after) = (old.list(name), new.list(name));
            if before.is_empty() && !after.is_empty() {
                self.narrower(at, format!("`{name}` is new"));
            } else if after.is_empty() && !before.is_empty() {
                self.wider(at, format!("`{name}` is gone"));
            } else {
                let fits = |old: &'a Value, new: &'a Value| {
                    let mut compared = Compared { old_root: self.old_root, new_root: self.new_root, usage: self.usage, breaks: Vec::new() };
                    compared.schema(at, old, new, depth + 1);
                    compared.breaks.is_empty()
                };
                let lost = before.iter().filter(|old| !after.iter().any(|new| fits(old, new))).count();
                let gained = after.iter().filter(|new| !before.iter().any(|old| fits(old, new))).count();
                if lost > 0 {
                    self.narrower(at, format!("{lost} of the alternatives of `{name}` changed or are gone"));
                }
                if gained > 0 {
                    self.wider(at, format!("{gained} of the alternatives of `{name}` are new"));
                }
            }
        }
    }

    /// `default`, `$id` and whatever else: any change may mean anything.
    fn others(&mut self, at: &str, old: &Schema<'a>, new: &Schema<'a>) {
        let handled: BTreeSet<_> =
            FREE.iter().chain(&MARKS).chain(&LOWER_BOUNDS).chain(&UPPER_BOUNDS).chain(&TEXTS).chain(&KNOWN).collect();
        let names: BTreeSet<_> = old.names().chain(new.names()).filter(|name| !handled.contains(name)).collect();
        for name in names {
            if old.get(name) != new.get(name) {
                self.breaks.push(format!("{at}: `{name}` changed"));
            }
        }
    }

    /// `None` allows all values.
    fn set(&mut self, at: &str, name: &str, old: Option<BTreeSet<String>>, new: Option<BTreeSet<String>>) {
        let less = |from: &Option<BTreeSet<String>>, to: &Option<BTreeSet<String>>| match (from, to) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(from), Some(to)) => !from.is_subset(to),
        };
        if less(&old, &new) {
            self.narrower(at, format!("`{name}` allows less"));
        }
        if less(&new, &old) {
            self.wider(at, format!("`{name}` allows more"));
        }
    }

    /// As a lower bound.
    fn bound(&mut self, at: &str, name: &str, old: Option<f64>, new: Option<f64>) {
        let (before, after) = (old.unwrap_or(f64::NEG_INFINITY), new.unwrap_or(f64::NEG_INFINITY));
        if after > before {
            self.narrower(at, format!("`{name}` allows less"));
        } else if after < before {
            self.wider(at, format!("`{name}` allows more"));
        }
    }

    fn narrower(&mut self, at: &str, what: String) {
        self.breaks.push(format!("{at}: narrower: {what}"));
    }

    fn wider(&mut self, at: &str, what: String) {
        if self.usage == Use::Kept {
            self.breaks.push(format!("{at}: wider: {what}"));
        }
    }
}

/// A schema with the ones that it refers to, the nearest first.
struct Schema<'a>(Vec<&'a Value>);

impl<'a> Schema<'a> {
    fn resolve(root: &'a Value, schema: &'a Value) -> Self {
        let mut chain = vec![schema];
        let mut at = schema;
        while let Some(reference) = at.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("`{reference}` is outside of the schema"));
            at = root.pointer(pointer).unwrap_or_else(|| panic!("`{reference}` is not there"));
            assert!(chain.len() < 8, "`{reference}` refers to itself");
            chain.push(at);
        }
        Self(chain)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find_map(|schema| schema.get(name))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|schema| schema.as_object()).flat_map(|members| members.keys().map(String::as_str))
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(Value::as_f64)
    }

    fn list(&self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn fields(&self) -> Vec<(&'a str, &'a Value)> {
        self.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, field)| (name.as_str(), field)).collect()
    }

    fn required(&self) -> BTreeSet<&'a str> {
        self.list("required").iter().filter_map(Value::as_str).collect()
    }

    fn types(&self) -> Option<BTreeSet<String>> {
        let types = match self.get("type")? {
            Value::Array(types) => types.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            one => one.as_str().map(str::to_owned).into_iter().collect(),
        };
        Some(types)
    }

    fn allowed(&self, name: &str) -> Option<BTreeSet<String>> {
        match self.get(name)? {
            Value::Array(values) if name == "enum" => Some(values.iter().map(Value::to_string).collect()),
            one => Some([one.to_string()].into()),
        }
    }
}
