//! Settings of the connection to Redis.

use std::time::Duration;

use loki_runtime::Secret;

#[derive(Debug, Clone)]
pub struct Config {
    /// `redis://user:password@host:port/database`, or `rediss://` for TLS. A secret, because of the password in it.
    pub url: Secret,
    /// All keys begin with it: several cells, and what is no projection (sessions), share a server by it.
    pub prefix: String,
    /// A connection that is not there within this time counts as away.
    pub connect_timeout: Duration,
    /// An answer that takes longer counts as away; whether it was written is unknown then.
    pub response_timeout: Duration,
}

impl Config {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            prefix: "loki:".to_owned(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(5),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let url = self.url.expose();
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            problems.push("`url` must be `redis://host:port` or `rediss://host:port`".to_owned());
        } else if redis::Client::open(url).is_err() {
            problems.push("`url` cannot be read: give `redis://user:password@host:port/database`, special signs as `%40`".to_owned());
        }
        if self.prefix.contains(['{', '}']) {
            problems.push("`prefix` may not have `{` or `}`: they mark what keeps a partition's keys together".to_owned());
        }
        for (name, limit) in [("connect_timeout", self.connect_timeout), ("response_timeout", self.response_timeout)] {
            if limit.is_zero() {
                problems.push(format!("`{name}` is zero: give a time such as `5s`"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        assert_eq!(Config::new("redis://:p%40ss@127.0.0.1:6379/3").problems(), Vec::<String>::new());
        let wrong = Config { prefix: "{cell}".to_owned(), response_timeout: Duration::ZERO, ..Config::new("127.0.0.1:6379") };
        assert_eq!(wrong.problems().len(), 3);
        assert_eq!(Config::new("redis://127.0.0.1:port").problems().len(), 1);
        assert!(!format!("{:?}", Config::new("redis://:secret@h")).contains("secret"));
    }
}
