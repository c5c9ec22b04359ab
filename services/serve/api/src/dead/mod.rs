//! Dead letters: listed, shown, and put back.

pub(crate) mod read;
pub(crate) mod replay;
