//! What the agent needs to know.

use std::path::PathBuf;
use std::time::Duration;

use loki_domain::{NodePath, PublicKey, ServerId, ServerName};
use loki_executor::Limits;
use loki_runtime::Secret;

use crate::error::Error;

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
    /// Absent: this host carries out nothing.
    pub deploys: Option<Deploys>,
    /// How often what the API knows of this server is compared with the machine, and which server has its name asked anew.
    pub refresh: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long the last samples may take at shutdown; what is not sent by then goes to the spool.
    pub drain: Duration,
}

/// How tasks of deploys and scripts are carried out.
#[derive(Debug, Clone)]
pub struct Deploys {
    /// Where releases lie, `/var/lib/loki/deploys`; made when it is missing.
    pub root: PathBuf,
    /// Of the decider: tasks that none of them has signed are refused.
    pub keys: Vec<PublicKey>,
    /// The public key of minisign; with it, archives that it has not signed are refused.
    pub minisign: Option<String>,
    /// How much of the host releases take.
    pub limits: Limits,
}

impl Deploys {
    /// What the executor is told, once the server's id is known.
    pub(crate) fn executor(&self, server: &str, api: &str, token: &Secret) -> Result<loki_executor::Config, Error> {
        let server = server.parse().map_err(|why| Error::Config(vec![format!("the API calls this server `{server}`: {why}")]))?;
        let mut config = loki_executor::Config::new(&self.root, server, self.keys.clone(), api);
        config.minisign.clone_from(&self.minisign);
        config.fetch.token = token.clone();
        config.limits = self.limits.clone();
        Ok(config)
    }

    /// With any server.
    fn problems(&self, api: &str, token: &Secret) -> Vec<String> {
        let config = self.executor(&ServerId::MIN.to_string(), api, token);
        config.map_or_else(|error| vec![error.to_string()], |config| config.problems())
    }
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
            deploys: None,
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
        if let Some(deploys) = &self.deploys {
            let known: Vec<_> = problems.clone();
            problems.extend(deploys.problems(&self.api, &self.token).into_iter().filter(|problem| !known.contains(problem)));
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
