//! What was: the audit, differences between two moments, and how to undo a command.

pub(crate) mod audit;
pub(crate) mod diff;
pub(crate) mod moment;
pub(crate) mod undo;
