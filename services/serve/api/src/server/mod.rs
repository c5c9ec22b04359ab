//! Servers: by node, and one by name.

pub(crate) mod get;
pub(crate) mod list;
