//! The agent against an API of a few lines, which is away, refuses, and is slow when it is told to.

mod agent;
mod bells;
mod outputs;
mod registers;
mod samples;
mod spools;
mod stub;
mod tasks;
