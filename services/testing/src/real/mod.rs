//! Real backends as plain processes: no container engine, everything on 127.0.0.1.
//!
//! There are two ways to get one:
//!
//! - **Shared**, for most tests: `make stack-up` starts one set and [`shared()`] says where it listens. Tests keep apart by names of their own
//!   ([`topic_prefix`], [`mysql_database`], [`zookeeper_chroot`]) and neither stop it nor set it back.
//! - **One's own**, for tests that hurt it: [`Running::start`] gives a process in a temporary folder that can be stopped, killed, paused,
//!   restarted on the same port and set back to an older copy of its data. It dies with its owner. OpenTSDB brings an HBase of its own, with
//!   which the same can be done: [`Running::needed`].
//!
//! All calls block (starting takes seconds): asynchronous tests put them in `tokio::task::spawn_blocking` or `block_in_place`.
//!
//! `services/testing/stack/install.sh` installs the programs.

mod backend;
mod detached;
mod folder;
mod hbase;
mod isolation;
mod java;
mod kafka;
mod mariadb;
mod opentsdb;
mod process;
mod record;
mod redis;
mod running;
mod shared;
mod zookeeper;

pub use backend::{Backend, Durability, Place};
pub use detached::{State, down, status, up};
pub(crate) use folder::program;
pub use folder::stack_dir;
pub use hbase::HBase;
pub use isolation::{mysql_database, topic_prefix, zookeeper_chroot};
pub use kafka::Kafka;
pub use mariadb::MariaDb;
pub use opentsdb::{OpenTsdb, opentsdb_counter, opentsdb_fsck};
pub use redis::Redis;
pub use running::{Running, Snapshot};
pub use shared::{Shared, shared};
pub use zookeeper::{ZooKeeper, zookeeper_shell};

/// Every backend of the shared set, in rows: each stands on the one before it in its row.
const ROWS: [&[&dyn Backend]; 5] = [&[&Kafka], &[&MariaDb], &[&ZooKeeper], &[&Redis], &[&HBase, &OpenTsdb]];

fn all() -> impl Iterator<Item = &'static dyn Backend> {
    ROWS.into_iter().flatten().copied()
}
