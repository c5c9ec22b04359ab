//! Where the store is and how long anything may take.

use std::path::PathBuf;
use std::time::Duration;

use loki_runtime::Secret;

use crate::database::Database;
use crate::error::ConfigError;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub database: Database,
    /// `mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/path`, or `sqlite:/path/of/a/file`.
    pub url: Secret,
    /// Used instead of a password in `url`, so that only this one needs to be kept secret.
    pub password: Secret,
    /// How many connections a process's readers open at most. Each projection has one more of its own.
    pub connections_max: u32,
    pub connect_timeout: Duration,
    /// How long one statement may take. Whatever a swap of tables or a full batch needs must fit.
    pub statement_timeout: Duration,
    /// How long to wait for a lock that another transaction holds; whole seconds.
    pub lock_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: Database::default(),
            url: Secret::default(),
            password: Secret::default(),
            connections_max: 8,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
        }
    }
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

    /// The same place as another database.
    #[must_use]
    pub fn of(self, database: Database) -> Self {
        Self { database, ..self }
    }

    /// All that is wrong with the settings.
    pub fn check(&self) -> Vec<ConfigError> {
        let section = self.database.section();
        let zero = |is: bool, field| is.then(|| ConfigError { section, field, message: "may not be 0".to_owned() });
        let limits = [
            zero(self.connections_max == 0, "connections_max"),
            zero(self.connect_timeout.is_zero(), "connect_timeout"),
            zero(self.statement_timeout.is_zero(), "statement_timeout"),
            zero(self.lock_timeout.is_zero(), "lock_timeout"),
        ];
        self.place().err().into_iter().chain(limits.into_iter().flatten()).collect()
    }

    pub(crate) fn place(&self) -> Result<Place, ConfigError> {
        // The text itself may hold a password: it is in no message.
        let wrong = |message: &str| ConfigError { section: self.database.section(), field: "url", message: message.to_owned() };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_and_no_password() {
        let config =
            Config { url: Secret::new("mysql://u:hunter2@h"), connections_max: 0, lock_timeout: Duration::ZERO, ..Config::default() };
        let told: Vec<String> = config.check().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("`mysql.url` names no database"), "{told:?}");
        assert!(!format!("{told:?} {config:?}").contains("hunter2"));
        for url in ["", "postgres://h/d", "sqlite:", "sqlite::memory:"] {
            assert_eq!(Config::mysql(url).check().len(), 1, "{url}");
        }
        assert!(Config::mysql("").of(Database::CdnSystem).check()[0].to_string().starts_with("`cdn_system.url`"));
        for url in ["mysql://u@h/d", "mysql://u:p@h:3307/d?ssl-mode=REQUIRED", "sqlite:store.db", "sqlite:///tmp/store.db"] {
            assert_eq!(Config::mysql(url).check(), [], "{url}");
        }
    }
}
