//! The one page: tree, servers of a node, projections. Plain HTML and one script, compiled in.

pub(crate) const PAGE: &str = include_str!("index.html");
pub(crate) const SCRIPT: &str = include_str!("console.js");
