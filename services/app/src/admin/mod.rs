//! The operators' commands that work on backends themselves. The others talk to the API and are in `loki-cli`.

pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod migrate;
pub(crate) mod operations;
pub(crate) mod replays;
pub(crate) mod series;
pub(crate) mod topics;
mod unreached;
pub(crate) mod verify;
mod verify_series;
mod verify_task_logs;
