//! Settings of the ZooKeeper store.

use std::time::Duration;

use loki_runtime::Secret;

#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, several with commas.
    pub servers: String,
    /// Everything is kept under `<chroot>/loki`; may be empty. Made when it is missing.
    pub chroot: String,
    /// How long the server waits for a silent client before it forgets it.
    pub session_timeout: Duration,
    /// Each question to the server is answered within this time, or the store counts as away.
    pub operation_timeout: Duration,
    /// `user:password` of the digest scheme; empty: none. With it, only this user may read and write what is made.
    pub auth: Secret,
    /// Operations of one `multi`, unless one command needs more.
    pub multi_operations: usize,
    /// Bytes of one `multi`, unless one command needs more.
    pub multi_bytes: usize,
    /// The servers' `jute.maxbuffer`: they cut the connection of whoever sends more.
    pub request_bytes: usize,
    /// How long changed entities may wait for the revision that says what they belong to.
    pub settle: Duration,
}

impl Config {
    pub fn new(servers: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            chroot: String::new(),
            session_timeout: Duration::from_secs(6),
            operation_timeout: Duration::from_secs(5),
            auth: Secret::default(),
            multi_operations: 1_000,
            multi_bytes: 800 << 10,
            request_bytes: (1 << 20) - 1,
            settle: Duration::from_secs(1),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.servers.trim().is_empty() {
            problems.push("`servers` is empty: give `host:port`, several separated by commas".to_owned());
        }
        if self.servers.contains('/') {
            problems.push("`servers` has a path: put it into `chroot`".to_owned());
        }
        let plain = self.chroot.trim_end_matches('/');
        if !plain.is_empty() && (!plain.starts_with('/') || plain.contains("//") || plain.contains("/.")) {
            problems.push(format!("`chroot` must be an absolute path such as `/cell`, not `{}`", self.chroot.escape_default()));
        }
        if !self.auth.is_empty() && !self.auth.expose().contains(':') {
            problems.push("`auth` must be `user:password`".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        assert_eq!(Config::new("127.0.0.1:2181").problems(), Vec::<String>::new());
        let config = Config { chroot: "cell".to_owned(), auth: Secret::new("alone"), ..Config::new("") };
        assert_eq!(config.problems().len(), 3);
        assert!(!format!("{config:?}").contains("alone"));
    }
}
