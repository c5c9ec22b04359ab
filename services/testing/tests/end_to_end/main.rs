//! The whole platform as its users run it: processes of the binary `loki`, driven over HTTP, on the embedded set and on the real one.

mod api;
mod crash;
mod emptied;
mod hostile;
mod load;
mod platform;
