//! What the tests of every crate stand on; never a dependency of production code.
//!
//! `child` starts processes that die with the test. `port` knows where nobody listens. `real` starts Kafka, ZooKeeper, MariaDB, Redis and OpenTSDB
//! as plain processes, or says where the shared ones listen. `proof` is what `make proof` has more of than `make test`, `shell` what hooks of
//! tests have in common. This library depends on no
//! other crate of Loki, so that all of them can use it in their tests.
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]

pub mod child;
pub mod port;
pub mod proof;
pub mod real;
pub mod shell;
