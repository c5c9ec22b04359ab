//! The service tree: as it is, and as it was.

pub(crate) mod get;
