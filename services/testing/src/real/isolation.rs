//! Names by which tests that share one set of backends keep apart. Each call gives a new one.

use rand::Rng;

/// A prefix for topics, groups and transactional ids: `t<random>-`.
pub fn topic_prefix() -> String {
    format!("{}-", unique())
}

/// A database's name; the test creates the database and drops it.
pub fn mysql_database() -> String {
    unique()
}

/// A path `/t<random>` to keep everything below; whoever writes there makes it.
pub fn zookeeper_chroot() -> String {
    format!("/{}", unique())
}

fn unique() -> String {
    format!("t{:010x}", rand::rng().random_range(0..1u64 << 40))
}
