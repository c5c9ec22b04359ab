//! Every route of the API, asked over HTTP, with a whole platform on the embedded set behind it.

#![allow(clippy::disallowed_methods, reason = "tests start tasks and look at the clock")]

mod artifacts;
mod browsers;
mod cell;
mod client;
mod commands;
mod dead;
mod deploys;
mod documented;
mod domains;
mod events;
mod generated;
mod history;
mod large;
mod logs;
mod readiness;
mod refusals;
mod series;
mod servers;
mod shutdown;
mod token;
mod told;
mod tree;
mod undo;
