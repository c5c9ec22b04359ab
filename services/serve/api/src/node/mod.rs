//! Nodes one by one, with what they inherit.

pub(crate) mod get;
