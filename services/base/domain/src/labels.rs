//! Labels, and the bounded one-line texts that other fields hold.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Invalid;

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
pub struct Text(Arc<str>);

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Keys to texts, in key order. Used for labels and for defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(BTreeMap<String, Text>);

impl Labels {
    pub fn new(entries: impl IntoIterator<Item = (String, Text)>) -> Result<Self, Invalid> {
        let labels = Self(entries.into_iter().collect());
        labels.0.keys().try_for_each(|key| check_key(key))?;
        if labels.0.len() > COUNT_MAX {
            return Err(Invalid::new(format!("at most {COUNT_MAX} entries, these are {}", labels.0.len())));
        }
        Ok(labels)
    }

    pub fn get(&self, key: &str) -> Option<&Text> {
        self.0.get(key)
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
        wanted.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }

    /// These labels with changes: `Some` sets, `None` removes.
    pub fn patched(&self, changes: &BTreeMap<String, Option<Text>>) -> Result<Self, Invalid> {
        let mut entries = self.0.clone();
        for (key, change) in changes {
            match change {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Self::new(entries)
    }
}
