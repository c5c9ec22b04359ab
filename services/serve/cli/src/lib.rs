//! The operators' and CI's client.

pub mod import;
