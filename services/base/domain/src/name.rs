//! Names of nodes and servers.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::Invalid;

/// A node's name: letters and digits of any script (CJK too), `_` and `-`; 1 to 64 characters. Case matters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(SmolStr);

/// A server's name: its host name in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(SmolStr);

impl FromStr for NodeName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut length = 0;
        for letter in text.chars() {
            length += 1;
            if !(letter.is_alphanumeric() || letter == '_' || letter == '-') {
                return Err(Invalid::new(format!(
                    "`{}` may not be in a node's name: use letters, digits, `_` and `-`",
                    letter.escape_default()
                )));
            }
        }
        if !(1..=64).contains(&length) {
            return Err(Invalid::new(format!("a node's name has 1 to 64 characters, this has {length}")));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

impl FromStr for ServerName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_plain(text, 253, "a server's name")?;
        Ok(Self(SmolStr::new(text)))
    }
}

/// The longest plain name but a server's.
pub(crate) const PLAIN_MAX: usize = 63;

/// Names that may become names of files: they begin with a letter or a digit, and hold no separator.
pub(crate) fn check_plain(text: &str, max: usize, what: &str) -> Result<(), Invalid> {
    if !(1..=max).contains(&text.len()) {
        return Err(Invalid::new(format!("{what} has 1 to {max} characters, this has {}", text.len())));
    }
    if let Some(letter) = text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_'))) {
        return Err(Invalid::new(format!("`{}` may not be in {what}: use a-z, 0-9, `.`, `-` and `_`", letter.escape_default())));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(Invalid::new(format!("{what} begins with a letter or a digit")));
    }
    Ok(())
}

/// What all short texts with rules of their own have: they are written as they are.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}
pub(crate) use text;

/// What all enumerations have that are written as words: `as_str`, and `ALL` of them.
macro_rules! words {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let known = Self::ALL.into_iter().find(|one| one.as_str() == text);
                known.ok_or_else(|| Invalid::new(format!(concat!("`{}` is no ", $what), text.escape_default())))
            }
        }
    };
}
pub(crate) use words;

text!(NodeName);
text!(ServerName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names() {
        for good in ["shop", "支付", "a-b_c", "9", &"x".repeat(64)] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a b", "a.b", "\u{0}", "e\u{301}", &"x".repeat(65)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn server_names() {
        for good in ["web01", "web01.acme.example", "0a", "db_1-x"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "Web01", "-a", ".a", "a b", "a*", &"x".repeat(254)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad:?}");
        }
    }
}
