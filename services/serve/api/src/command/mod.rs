//! Commands: taken in, and their outcomes.

pub(crate) mod answer;
pub(crate) mod get;
pub(crate) mod post;
pub(crate) mod undecided;
