//! The executor with real archives, real hooks and a server of a few lines, which breaks off, stalls and lies when it is told to.

mod archive;
mod deploys;
mod documents;
mod fetches;
mod health;
mod hooks;
mod host;
mod hostile;
mod kills;
mod scripts;
mod server;
mod ships;
mod units;
