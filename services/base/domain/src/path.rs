//! A node's path: the names from the top of the tree, `/acme/shop`. `/` is the tree itself, which is no node.

use std::fmt;
use std::str::FromStr;

use crate::{Invalid, NodeName};

/// How deep the tree may be.
pub const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePath(Vec<NodeName>);

impl NodePath {
    pub fn new(names: Vec<NodeName>) -> Self {
        Self(names)
    }

    pub fn names(&self) -> &[NodeName] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parent's names and the last name; `None` for `/`.
    pub fn split_last(&self) -> Option<(&[NodeName], &NodeName)> {
        self.0.split_last().map(|(last, parent)| (parent, last))
    }
}

impl FromStr for NodePath {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(Invalid::new("a path begins with `/`"));
        };
        if rest.is_empty() {
            return Ok(Self::default());
        }
        let names = rest.split('/').map(str::parse).collect::<Result<Vec<NodeName>, _>>()?;
        if names.len() > DEPTH_MAX {
            return Err(Invalid::new(format!("a path has at most {DEPTH_MAX} names, this has {}", names.len())));
        }
        Ok(Self(names))
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for good in ["/", "/acme", "/acme/shop/支付"] {
            assert_eq!(good.parse::<NodePath>().map(|p| p.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "acme", "/acme/", "//acme", "/a//b", "/a/../b", &"/a".repeat(33)] {
            assert!(bad.parse::<NodePath>().is_err(), "{bad}");
        }
    }
}
