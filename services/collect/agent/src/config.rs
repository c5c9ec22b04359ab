//! What the agent needs to know.

use std::path::PathBuf;
use std::time::Duration;

use loki_domain::{NodePath, ServerName};
use loki_runtime::Secret;

#[derive(Debug, Clone)]
pub struct Config {
    /// Where the API is, `http://127.0.0.1:8470`.
    pub api: String,
    /// Empty: no token is sent.
    pub token: Secret,
    /// This server's name; absent: the host name in lower case.
    pub server: Option<String>,
    /// Whether to register this server, and to keep up what the API knows of it.
    pub register: bool,
    /// The node on which a server is mounted that is mounted nowhere, `/machines`; it is made when it is missing.
    pub node: Option<String>,
    /// How long a round is. Rounds begin when the wall clock is a multiple of it, so that all hosts measure at the same instants.
    pub every: Duration,
    /// The agent's own directory: the spool, and what it last said of this machine. Made when it is missing; one process has it at a time.
    pub spool_dir: PathBuf,
    /// The spool takes no more room than this: then its oldest samples are dropped, and counted.
    pub spool_bytes_max: u64,
    /// How often what the API knows of this server is compared with the machine.
    pub refresh: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long the last samples may take at shutdown; what is not sent by then goes to the spool.
    pub drain: Duration,
}

/// Below this the spool would drop what it has just taken.
const SPOOL_BYTES_MIN: u64 = 64 << 10;

impl Config {
    pub fn new(api: impl Into<String>, spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            api: api.into(),
            token: Secret::default(),
            server: None,
            register: true,
            node: None,
            every: Duration::from_secs(10),
            spool_dir: spool_dir.into(),
            spool_bytes_max: 64 << 20,
            refresh: Duration::from_secs(300),
            timeout: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = loki_client::address::problems(&self.api, &self.token);
        if let Some(Err(why)) = self.server.as_deref().map(str::parse::<ServerName>) {
            problems.push(format!("`server`: {why}"));
        }
        if let Some(Err(why)) = self.node.as_deref().map(str::parse::<NodePath>) {
            problems.push(format!("`node`: {why}"));
        }
        for (name, duration) in [("every", self.every), ("refresh", self.refresh), ("timeout", self.timeout)] {
            if duration.as_millis() == 0 {
                problems.push(format!("`{name}` must be at least a millisecond"));
            }
        }
        if self.spool_bytes_max < SPOOL_BYTES_MIN {
            problems.push(format!("`spool_bytes_max` must be at least {} KiB", SPOOL_BYTES_MIN >> 10));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        assert_eq!(Config::new("http://127.0.0.1:8470", "spool").problems(), Vec::<String>::new());
        let config = Config {
            token: Secret::new("a\nb"),
            server: Some("Web 01".to_owned()),
            node: Some("machines".to_owned()),
            every: Duration::ZERO,
            spool_bytes_max: 1,
            ..Config::new("ftp://a", "spool")
        };
        let problems = config.problems();
        let named = ["api", "token", "server", "node", "every", "spool_bytes_max"];
        assert_eq!(problems.len(), named.len(), "{problems:?}");
        assert!(problems.iter().zip(named).all(|(problem, name)| problem.starts_with(&format!("`{name}`"))), "{problems:?}");
        assert!(!format!("{config:?}{problems:?}").contains("a\\nb"));
    }
}
