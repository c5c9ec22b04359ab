//! The users of a MySQL database: its `grants.sql` filled in.

use loki_runtime::Secret;

use super::statements::statements;
use crate::database::Database;
use crate::error::ConfigError;

fn template(database: Database) -> &'static str {
    match database {
        Database::Loki => include_str!("../../../../../migrations/loki/mysql/grants.sql"),
        Database::CdnSystem => include_str!("../../../../../migrations/cdn_system/mysql/grants.sql"),
    }
}

/// What the template leaves open.
#[derive(Debug, Clone)]
pub struct Grants {
    /// Its name on the server.
    pub database: String,
    /// From where the users come; `%` for anywhere.
    pub host: String,
    /// What the users' names begin with: `loki_` gives `loki_migrate`, `loki_mysql` and `loki_api`.
    pub prefix: String,
    pub password_migrate: Secret,
    pub password_mysql: Secret,
    pub password_api: Secret,
}

impl Grants {
    /// The statements for an administrator to run, in order.
    pub fn statements(&self, of: Database) -> Result<Vec<String>, ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError { section: of.section(), field, message: message.to_owned() });
        let names = [("database", &self.database), ("host", &self.host), ("prefix", &self.prefix)];
        for (field, value) in names {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.%:".contains(c);
            if value.is_empty() || !value.chars().all(allowed) {
                return wrong(field, "has 1 or more letters, digits, `_`, `-`, `.`, `:` or `%`");
            }
        }
        let passwords =
            [("password_migrate", &self.password_migrate), ("password_mysql", &self.password_mysql), ("password_api", &self.password_api)];
        for (field, value) in passwords {
            if value.is_empty() || value.expose().contains(['\'', '\\', ';', '\n']) {
                return wrong(field, "has 1 or more characters, but no quote, backslash or semicolon");
            }
        }
        let pattern = self.database.replace('_', r"\_").replace('%', r"\%");
        let fill = |statement: String| {
            passwords
                .iter()
                .fold(statement, |statement, (field, value)| statement.replace(&format!("{{{field}}}"), value.expose()))
                .replace("{database}", &pattern)
                .replace("{host}", &self.host)
                .replace("{prefix}", &self.prefix)
        };
        Ok(statements(template(of)).into_iter().map(fill).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_filled_in() {
        let grants = Grants {
            database: "loki_a".to_owned(),
            host: "%".to_owned(),
            prefix: "loki_".to_owned(),
            password_migrate: Secret::new("m"),
            password_mysql: Secret::new("p"),
            password_api: Secret::new("a"),
        };
        for of in Database::ALL {
            let statements = grants.statements(of).unwrap();
            assert_eq!(statements.len(), 6);
            assert!(statements.iter().all(|statement| !statement.contains(['{', '}'])), "{statements:?}");
            assert_eq!(statements[5], r"GRANT SELECT ON `loki\_a`.* TO 'loki_api'@'%'");
        }
        let bad = Grants { password_api: Secret::new("it's"), ..grants.clone() };
        assert_eq!(bad.statements(Database::Loki).unwrap_err().field, "password_api");
        let bad = Grants { database: "a`b".to_owned(), ..grants };
        assert_eq!(bad.statements(Database::Loki).unwrap_err().field, "database");
    }
}
