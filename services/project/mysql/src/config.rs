//! Where the store is and how long anything may take.

use std::path::PathBuf;
use std::time::Duration;

use loki_runtime::Secret;
use serde::{Deserialize, Serialize};

/// Settings of the store. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/path`, or `sqlite:/path/of/a/file`.
    pub url: Secret,
    /// Used instead of a password in `url`, so that only this one needs to be kept secret.
    pub password: Secret,
    /// How many connections a process's readers open at most. Each projection has one more of its own.
    pub connections_max: u32,
    pub connect_timeout_ms: u64,
    /// How long one statement may take. Whatever a swap of tables or a full batch needs must fit.
    pub statement_timeout_ms: u64,
    /// How long to wait for a lock that another transaction holds.
    pub lock_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            password: Secret::default(),
            connections_max: 8,
            connect_timeout_ms: 3_000,
            statement_timeout_ms: 30_000,
            lock_timeout_ms: 5_000,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`mysql.{field}` {message}")]
pub struct ConfigError {
    pub field: &'static str,
    pub message: String,
}

/// Where the store is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    MySql(Box<sqlx::mysql::MySqlConnectOptions>),
    Sqlite(PathBuf),
}

impl Config {
    /// Settings for one SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { url: Secret::new(format!("sqlite:{}", path.into().display())), ..Self::default() }
    }

    pub fn mysql(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), ..Self::default() }
    }

    /// All that is wrong with the settings.
    pub fn check(&self) -> Vec<ConfigError> {
        let positive = [
            ("connections_max", u64::from(self.connections_max)),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("statement_timeout_ms", self.statement_timeout_ms),
            ("lock_timeout_ms", self.lock_timeout_ms),
        ];
        let zero = positive.into_iter().filter(|(_, value)| *value == 0);
        let zero = zero.map(|(field, _)| ConfigError { field, message: "may not be 0".to_owned() });
        self.place().err().into_iter().chain(zero).collect()
    }

    pub(crate) fn place(&self) -> Result<Place, ConfigError> {
        // The text itself may hold a password: it is in no message.
        let wrong = |message: &str| ConfigError { field: "url", message: message.to_owned() };
        let url = self.url.expose();
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") {
                return Err(wrong("names no file: write `sqlite:/path/of/a/file`"));
            }
            return Ok(Place::Sqlite(path.into()));
        }
        if !url.starts_with("mysql://") && !url.starts_with("mariadb://") {
            return Err(wrong("begins with neither `mysql://` nor `sqlite:`"));
        }
        let options: sqlx::mysql::MySqlConnectOptions =
            url.parse().map_err(|_| wrong("is no address: write `mysql://user@host:3306/database`"))?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(wrong("names no database: write `mysql://user@host:3306/database`"));
        }
        let options = if self.password.is_empty() { options } else { options.password(self.password.expose()) };
        Ok(Place::MySql(Box::new(options)))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    pub(crate) fn lock_timeout(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_and_no_password() {
        let config = Config { url: Secret::new("mysql://u:hunter2@h"), connections_max: 0, lock_timeout_ms: 0, ..Config::default() };
        let told: Vec<String> = config.check().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("`mysql.url` names no database"), "{told:?}");
        assert!(!format!("{told:?} {config:?}").contains("hunter2"));
        for url in ["", "postgres://h/d", "sqlite:", "sqlite::memory:"] {
            assert_eq!(Config::mysql(url).check().len(), 1, "{url}");
        }
        for url in ["mysql://u@h/d", "mysql://u:p@h:3307/d?ssl-mode=REQUIRED", "sqlite:store.db", "sqlite:///tmp/store.db"] {
            assert_eq!(Config::mysql(url).check(), [], "{url}");
        }
    }
}
