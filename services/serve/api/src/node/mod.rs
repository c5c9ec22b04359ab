//! Nodes one by one, with what they inherit, and as a list.

pub(crate) mod get;
pub(crate) mod list;
