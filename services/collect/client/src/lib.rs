//! What those who collect have in common: the way to the API, and their readiness, made of that of their parts.
//!
//! HTTP with bounded waits and sizes, one try at a time. When to try again is each caller's own matter: a [`Failure`] says whether it may help.
//! Operators' commands have a client of their own (`loki-cli`), which tells people what to do and repeats by itself; it shares only small rules.

pub mod address;
pub mod answer;
pub mod client;
pub mod put;
pub mod standing;

pub use answer::{Answer, Failure};
pub use client::{Client, Unusable};
pub use put::Taken;
pub use standing::{Part, Standing};
