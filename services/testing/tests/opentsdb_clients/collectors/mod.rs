//! Collectors' points in an embedded log: collectd as it is, and what others sent when they were run once.

mod collectd;
mod given;
mod recorded;
mod replay;
