//! A membership rule: servers whose name or labels match are mounted on a node by themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Invalid, Labels, MembershipId, NodeId, Server, ServerId, ServerName, ServerState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub id: MembershipId,
    pub node: NodeId,
    /// `None`: any name.
    pub pattern: Option<Pattern>,
    /// All of them must be on the server.
    pub labels: Labels,
    /// Work that is not finished yet; `None` once the mounts are as the rule says.
    pub sweep: Option<Sweep>,
}

/// A change of a rule touches any number of servers; it goes through them in id order, a bounded step a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// The first server not looked at yet.
    pub next: ServerId,
    /// The rule is being removed: its mounts go, then itself.
    pub removing: bool,
}

impl Membership {
    /// Whether this server belongs on the node.
    pub fn matches(&self, server: &Server) -> bool {
        let removing = self.sweep.is_some_and(|sweep| sweep.removing);
        !removing
            && server.state != ServerState::Retired
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&server.name))
            && server.labels.include(&self.labels)
    }
}

/// A name pattern: `*` is any run of characters, `?` is any one, everything else is itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

impl Pattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, name: &ServerName) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_str().as_bytes());
        let (mut p, mut n) = (0, 0);
        // where to go on when a later part does not fit: the last `*`, and how far it reached
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p, n));
                p += 1;
            } else if pattern.get(p).is_some_and(|letter| *letter == b'?' || *letter == name[n]) {
                p += 1;
                n += 1;
            } else if let Some((at, reached)) = star {
                star = Some((at, reached + 1));
                p = at + 1;
                n = reached + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|letter| *letter == b'*')
    }
}

impl FromStr for Pattern {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !(1..=253).contains(&text.len()) {
            return Err(Invalid::new(format!("a pattern has 1 to 253 characters, this has {}", text.len())));
        }
        if let Some(letter) =
            text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '*' | '?')))
        {
            return Err(Invalid::new(format!(
                "`{}` may not be in a pattern: use a-z, 0-9, `.`, `-`, `_`, and `*` or `?` as wildcards",
                letter.escape_default()
            )));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let matches = |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(&name.parse().unwrap());
        assert!(matches("web*", "web01"));
        assert!(matches("web??", "web01"));
        assert!(matches("*", "a"));
        assert!(matches("*.acme.*", "a.b.acme.example"));
        assert!(matches("web01", "web01"));
        assert!(matches("a*b*c", "aXbYbZc".to_lowercase().as_str()));
        assert!(!matches("web?", "web01"));
        assert!(!matches("web", "web01"));
        assert!(!matches("*b", "bc"));
        assert!("".parse::<Pattern>().is_err());
        assert!("[a-z]".parse::<Pattern>().is_err());
    }
}
