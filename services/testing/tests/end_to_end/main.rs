//! The whole platform as its users run it: processes of the binary `loki`, driven over HTTP, on the embedded set and on the real one.

#![allow(clippy::disallowed_methods, reason = "it drives other processes and waits for them")]

mod api;
mod crash;
mod dead;
mod deploys;
mod emptied;
mod fleet;
mod full_disk;
mod hostile;
mod hostile_share;
mod kcat;
mod ledger;
mod lines;
mod load;
mod platform;
mod proxy;
mod real_set;
mod rebuild;
mod rounds;
mod sample_faults;
mod samples;
mod soak;
mod status;
mod watch;
