//! Labels, and the bounded one-line texts that other fields hold.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::Invalid;
use crate::name::text;

/// How many labels (or contacts, defaults, addresses) an entity has at most.
pub const COUNT_MAX: usize = 64;

/// A label's or default's key.
pub fn check_key(key: &str) -> Result<(), Invalid> {
    if !(1..=63).contains(&key.len()) {
        return Err(Invalid::new(format!("a key has 1 to 63 characters, `{}` has {}", key.escape_default(), key.len())));
    }
    if let Some(letter) = key.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))) {
        return Err(Invalid::new(format!("`{}` may not be in a key: use a-z, A-Z, 0-9, `.`, `_`, `-` and `/`", letter.escape_default())));
    }
    Ok(())
}

/// A line of text without control characters, at most 256 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(SmolStr);

text!(Text);

impl FromStr for Text {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.chars().any(char::is_control) {
            return Err(Invalid::new("the text may not hold control characters"));
        }
        let length = text.chars().count();
        if length > 256 {
            return Err(Invalid::new(format!("the text has at most 256 characters, this has {length}")));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

/// Keys to texts, in key order. Used for labels and for defaults. Cheap to clone: copies share their entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(SmolStr, Text)]>);

impl Labels {
    pub fn new(entries: impl IntoIterator<Item = (String, Text)>) -> Result<Self, Invalid> {
        let entries: BTreeMap<String, Text> = entries.into_iter().collect();
        entries.keys().try_for_each(|key| check_key(key))?;
        check_count(entries.len())?;
        Ok(Self(entries.into_iter().map(|(key, value)| (SmolStr::from(key), value)).collect()))
    }

    pub fn get(&self, key: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(found, _)| found.as_str().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every entry of `wanted` is here with the same value.
    pub fn include(&self, wanted: &Labels) -> bool {
        wanted.iter().all(|(key, value)| self.get(key) == Some(value))
    }

    /// These labels with changes: `Some` sets, `None` removes.
    pub fn patched(&self, changes: &BTreeMap<String, Option<Text>>) -> Result<Self, Invalid> {
        let mut entries = Vec::with_capacity(self.len() + changes.len());
        let mut old = self.0.iter().peekable();
        for (key, change) in changes {
            while let Some(entry) = old.next_if(|(before, _)| before.as_str() < key.as_str()) {
                entries.push(entry.clone());
            }
            let replaced = old.next_if(|(same, _)| same == key);
            if let Some(value) = change {
                check_key(key)?;
                entries.push((replaced.map_or_else(|| SmolStr::new(key), |(key, _)| key.clone()), value.clone()));
            }
        }
        entries.extend(old.cloned());
        check_count(entries.len())?;
        Ok(Self(entries.into()))
    }
}

fn check_count(count: usize) -> Result<(), Invalid> {
    if count > COUNT_MAX {
        return Err(Invalid::new(format!("at most {COUNT_MAX} entries, these are {count}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        text.parse().unwrap()
    }

    fn labels(entries: &[(&str, &str)]) -> Labels {
        Labels::new(entries.iter().map(|(key, value)| ((*key).to_owned(), text(value)))).unwrap()
    }

    fn patch(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<Text>> {
        changes.iter().map(|(key, change)| ((*key).to_owned(), change.map(text))).collect()
    }

    #[test]
    fn a_patch_sets_replaces_and_removes() {
        let old = labels(&[("b", "1"), ("d", "2"), ("f", "3")]);
        let changes = patch(&[("a", Some("x")), ("b", None), ("c", None), ("d", Some("y")), ("g", Some("z"))]);
        assert_eq!(old.patched(&changes), Ok(labels(&[("a", "x"), ("d", "y"), ("f", "3"), ("g", "z")])));
        assert_eq!(Labels::default().patched(&changes), Ok(labels(&[("a", "x"), ("d", "y"), ("g", "z")])));
        assert_eq!(old.patched(&patch(&[])), Ok(old.clone()));
        assert_eq!(old.patched(&patch(&[("b", None), ("d", None), ("f", None)])), Ok(Labels::default()));
    }

    #[test]
    fn a_patch_keeps_the_limits() {
        let full = Labels::new((0..COUNT_MAX).map(|at| (format!("k{at}"), text("v")))).unwrap();
        assert!(full.patched(&patch(&[("new", Some("v"))])).is_err());
        assert_eq!(full.patched(&patch(&[("new", Some("v")), ("k3", None)])).unwrap().len(), COUNT_MAX);
        assert!(full.patched(&patch(&[("k3", Some("w"))])).is_ok());
        assert!(Labels::default().patched(&patch(&[("a b", Some("v"))])).is_err());
    }

    #[test]
    fn each_key_is_found() {
        let labels = labels(&[("os", "linux"), ("cpu", "32"), ("mem", "128g")]);
        assert_eq!(labels.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["cpu", "mem", "os"]);
        assert!(labels.iter().all(|(key, value)| labels.get(key) == Some(value)));
        assert_eq!(labels.get("disk"), None);
    }
}
