//! Domains: what is asked from outside whether it answers.

pub(crate) mod list;
