//! Dead letters: listed, shown, put back, and dropped.

pub(crate) mod drop;
pub(crate) mod index;
pub(crate) mod read;
pub(crate) mod replay;
