//! What must not enter the log: secrets, by the name or the look of a variable, and how Ansible connects.
//!
//! The log is kept, so a label that holds a password could never be taken back. The rules err on the side of leaving out;
//! every variable that is left out is told in a warning.

use super::value::Value;

/// A key that contains one of these is a secret.
const PARTS: [&str; 11] =
    ["password", "passwd", "passphrase", "secret", "token", "private_key", "privatekey", "_pass", "credential", "api_key", "access_key"];

/// A key that is one of these is a secret.
const WHOLE: [&str; 4] = ["pass", "pwd", "apikey", "auth"];

/// Why a variable is not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    Secret,
    Vault,
    Connection,
}

impl Withheld {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Secret => "looks like a secret",
            Self::Vault => "is encrypted by ansible-vault",
            Self::Connection => "says how Ansible works on the host",
        }
    }
}

/// Whether a variable must not be imported. `ansible_host` is asked for by the caller before: it is the host's address.
pub(crate) fn withheld(key: &str, value: &Value) -> Option<Withheld> {
    let reason = secret(key, value);
    if reason.is_none() && key.to_ascii_lowercase().starts_with("ansible_") {
        return Some(Withheld::Connection);
    }
    reason
}

fn secret(key: &str, value: &Value) -> Option<Withheld> {
    if names_secret(key) {
        return Some(Withheld::Secret);
    }
    match value {
        Value::Vault => Some(Withheld::Vault),
        Value::Text(text) => holds_secret(text),
        Value::List(items) => items.iter().find_map(|item| secret("", item)),
        Value::Map(entries) => entries.iter().find_map(|(key, value)| secret(key, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn names_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    WHOLE.contains(&key.as_str()) || PARTS.iter().any(|part| key.contains(part))
}

/// Text that carries a secret under a harmless name: an encrypted value, a private key, a password in a URL or an option.
fn holds_secret(text: &str) -> Option<Withheld> {
    if text.trim_start().starts_with("$ANSIBLE_VAULT") {
        return Some(Withheld::Vault);
    }
    let secret = text.contains("PRIVATE KEY-----") || has_url_password(text) || has_assignment(text);
    secret.then_some(Withheld::Secret)
}

/// `scheme://user:password@host`.
fn has_url_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// `-Dpassword=…`, `"api_token": …` and the like: a word that names a secret before `=` or `:`.
fn has_assignment(text: &str) -> bool {
    text.match_indices(['=', ':']).any(|(at, _)| {
        let before = text[..at].trim_end_matches(['"', '\'', ' ']);
        let word = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next();
        word.is_some_and(|word| word.len() <= 256 && names_secret(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn keys_that_name_a_secret() {
        for key in [
            "ansible_password",
            "ansible_ssh_pass",
            "ansible_become_pass",
            "DB_PASSWORD",
            "mysqlPasswd",
            "vault_secret",
            "apiToken",
            "ssh_private_key",
            "pass",
            "aws-access-key",
            "keystore_passphrase",
        ] {
            assert_eq!(withheld(key, &text("x")), Some(Withheld::Secret), "{key}");
        }
        for key in ["rack", "compass", "idc", "canary", "passive", "author", "key"] {
            assert_eq!(withheld(key, &text("x")), None, "{key}");
        }
    }

    #[test]
    fn connection_variables() {
        for key in ["ansible_user", "ansible_port", "ansible_connection", "ANSIBLE_PYTHON_INTERPRETER"] {
            assert_eq!(withheld(key, &text("x")), Some(Withheld::Connection), "{key}");
        }
    }

    #[test]
    fn values_that_hold_a_secret() {
        for value in [
            "mysql://root:hunter2@db1/shop",
            "-Xmx1g -Dpassword=hunter2",
            "{'user': 'root', 'password': 'hunter2'}",
            "api_token : abc",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert_eq!(withheld("options", &text(value)), Some(Withheld::Secret), "{value}");
        }
        assert_eq!(withheld("options", &text("$ANSIBLE_VAULT;1.1;AES256")), Some(Withheld::Vault));
        for value in ["http://db1:8080/shop", "user@host:22", "a=b", "-Xmx1g", "tier: gold", "https://x/@scope:1"] {
            assert_eq!(withheld("options", &text(value)), None, "{value}");
        }
    }

    #[test]
    fn values_are_searched_in_depth() {
        let inner = Value::Map(vec![("password".to_owned(), text("hunter2"))]);
        assert_eq!(withheld("db", &Value::List(vec![inner])), Some(Withheld::Secret));
        assert_eq!(withheld("db", &Value::List(vec![Value::Vault])), Some(Withheld::Vault));
        assert_eq!(withheld("db", &Value::List(vec![text("a"), Value::Null])), None);
    }
}
