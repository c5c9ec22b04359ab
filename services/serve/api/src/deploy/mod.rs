//! Tokens, packages, templates and runs.

pub(crate) mod changed;
pub(crate) mod log;
pub(crate) mod packages;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod templates;
pub(crate) mod tokens;
pub(crate) mod told;
