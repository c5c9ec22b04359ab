//! What is given to each reader, and what holds.

mod answer;
mod inventory;
mod name;
mod put;
mod query;
mod record;
mod sample;
mod telnet;

pub(crate) use answer::answer;
pub(crate) use inventory::inventory;
pub(crate) use name::name;
pub(crate) use put::put;
pub(crate) use query::query;
pub(crate) use record::record;
pub(crate) use sample::sample;
pub(crate) use telnet::telnet;

/// The first line, and what follows it.
fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}
