//! What must not enter the log: secrets, by the name or the look of a variable, and how Ansible connects.
//!
//! The log is kept, so a label that holds a password could never be taken back. The rules err on the side of leaving out;
//! every variable that is left out is told in a warning.

use super::value::Value;

/// A name that contains one of these, underscores left aside, names a secret.
const PARTS: [&str; 10] =
    ["password", "passwd", "passwort", "passphrase", "passcode", "secret", "token", "credential", "requirepass", "rwcommunity"];

/// A name with one of these words names a secret.
const WORDS: [&str; 15] = [
    "pass",
    "passw",
    "pwd",
    "pw",
    "cred",
    "creds",
    "psk",
    "jwt",
    "bearer",
    "authorization",
    "cookie",
    "keytab",
    "htpasswd",
    "masterauth",
    "rocommunity",
];

/// A name that is one of these names a secret.
const WHOLE: [&str; 3] = ["auth", "community", "salt"];

/// Words that end so are one written together with what it is for: `dbpass`, `rootpw`. These are not.
const ENDINGS: [&str; 3] = ["pass", "pwd", "pw"];
const NO_ENDINGS: [&str; 7] = ["compass", "encompass", "bypass", "surpass", "trespass", "overpass", "underpass"];

/// Before `key`, as in `auth_key` or `authkey`, one of these makes it a key that opens something. A `public_key`, a `key_count` or a `routing_key`
/// opens nothing.
const KEYS: [&str; 58] = [
    "access",
    "account",
    "admin",
    "aes",
    "api",
    "app",
    "auth",
    "authentication",
    "backup",
    "ceph",
    "cephx",
    "cipher",
    "client",
    "cluster",
    "consumer",
    "crypt",
    "crypto",
    "data",
    "decryption",
    "deploy",
    "ecdsa",
    "ed25519",
    "encrypt",
    "encryption",
    "fernet",
    "gpg",
    "hmac",
    "host",
    "in",
    "integration",
    "join",
    "licence",
    "license",
    "master",
    "nonce",
    "pgp",
    "pre",
    "preshared",
    "priv",
    "private",
    "recovery",
    "registry",
    "rndc",
    "root",
    "rsa",
    "server",
    "service",
    "session",
    "shared",
    "sign",
    "signing",
    "ssh",
    "ssl",
    "storage",
    "tls",
    "tsig",
    "unseal",
    "webhook",
];

/// Before `auth`: what is asked for by it.
const AUTHS: [&str; 9] = ["basic", "docker", "http", "keepalived", "proxy", "redis", "registry", "smtp", "vrrp"];

/// Beside `community`: SNMP's, which is a password.
const COMMUNITIES: [&str; 7] = ["snmp", "snmpd", "ro", "rw", "read", "write", "trap"];

/// Text that begins so is a token of a well-known service.
const TOKENS: [&str; 14] =
    ["ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "sk_live_", "rk_live_", "AKIA", "ASIA", "eyJ"];

/// They are longer than this, and words that begin like one are not.
const TOKEN_CHARS_MIN: usize = 20;

/// A label's 256 characters have no more bytes: what is longer is imported under no name, and need not be searched to its end.
const DSN_BYTES_MAX: usize = 1024;

/// What stands before an address that is no host: `mailto:ops@acme.example`.
const SCHEMES: [&str; 6] = ["mailto", "sip", "sips", "xmpp", "acct", "im"];

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
    let words = words(key);
    let joined = words.concat();
    if WHOLE.contains(&joined.as_str()) || PARTS.iter().any(|part| joined.contains(part)) {
        return true;
    }
    let plain: Vec<&str> = words.iter().map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
    let has = |sought: &[&str]| plain.iter().any(|word| sought.contains(word));
    let secret_word = |word: &&str| {
        let ends = ENDINGS.iter().any(|ending| word.ends_with(ending)) && !NO_ENDINGS.contains(word);
        let key = word.strip_suffix('s').unwrap_or(word).strip_suffix("key");
        WORDS.contains(word) || ends || key.is_some_and(|key| KEYS.contains(&key))
    };
    let pair = |before: &str, word: &str| match word {
        "key" | "keys" => KEYS.contains(&before),
        "auth" => AUTHS.contains(&before),
        // `salt_master` is of a tool with that name
        "salt" => true,
        _ => false,
    };
    plain.iter().any(secret_word)
        || words.iter().zip(&plain).zip(plain.iter().skip(1)).any(|((whole, before), word)| pair(before, word) || pair(whole, word))
        || (has(&["community", "communities"]) && has(&COMMUNITIES))
}

/// The words of a name, in lower case: `mysqlRootPwd`, `mysql_root_pwd` and `MYSQL-ROOT-PWD` have the same.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = key.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        // `rootPwd`, and `APIKey` before its `K`
        let begins =
            letter.is_uppercase() && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Text that carries a secret under a harmless name: an encrypted value, a private key, a token, a password in a URL, a DSN or an option.
fn holds_secret(text: &str) -> Option<Withheld> {
    if text.trim_start().starts_with("$ANSIBLE_VAULT") {
        return Some(Withheld::Vault);
    }
    let secret = text.contains("PRIVATE KEY-----")
        || text.contains("Bearer ")
        || pieces(text).any(|piece| has_url_password(piece) || has_dsn_password(piece) || is_token(piece))
        || has_assignment(text)
        || has_option(text);
    secret.then_some(Withheld::Secret)
}

/// What may be an address or a token.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')).filter(|piece| !piece.is_empty())
}

/// `scheme://user:password@host`, also when the password has a `/`: no port is a word.
fn has_url_password(piece: &str) -> bool {
    piece.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((user, _)) => user.contains(':') || is_token(user),
            None => {
                let port = authority.rsplit_once(':').map(|(_, port)| port);
                rest.contains('@') && port.is_some_and(|port| !port.chars().all(|c| c.is_ascii_digit()) && !port.ends_with(']'))
            }
        }
    })
}

/// `user:password@tcp(host:3306)/db`, `user:password@host/db`, and Oracle's `user/password@//host`.
fn has_dsn_password(piece: &str) -> bool {
    piece.len() <= DSN_BYTES_MAX
        && piece.match_indices('@').any(|(at, _)| {
            let (before, after) = (&piece[..at], &piece[at + 1..]);
            let Some((user, password)) = before.split_once(':') else { return false };
            if ["tcp(", "tcp6(", "udp(", "unix("].iter().any(|network| after.starts_with(network)) {
                return !password.is_empty();
            }
            if before.contains("oracle:") {
                return before.rsplit(':').next().is_some_and(|login| login.contains('/'));
            }
            let is_digest = after.starts_with("sha256:") || after.starts_with("sha512:");
            let names_host = after.starts_with(|c: char| c.is_alphanumeric() || c == '[') && !is_digest;
            names_host && !password.is_empty() && !before.contains('/') && !SCHEMES.contains(&user.rsplit('=').next().unwrap_or(user))
        })
}

fn is_token(piece: &str) -> bool {
    let is_long = |rest: &str| rest.len() >= TOKEN_CHARS_MIN && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_-.+/=".contains(c));
    // of these tokens each has three parts
    let is_jwt = |piece: &str| !piece.starts_with("eyJ") || piece.matches('.').count() == 2;
    TOKENS.iter().any(|start| piece.starts_with(start)) && is_long(piece) && is_jwt(piece)
}

/// `-Dpassword=…`, `"api_token": …` and the like: a word that names a secret before `=` or `:`.
fn has_assignment(text: &str) -> bool {
    text.match_indices(['=', ':']).any(|(at, _)| {
        let before = text[..at].trim_end_matches(['"', '\'', ' ']);
        let word = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next();
        word.is_some_and(|word| word.len() <= 256 && names_secret(word))
    })
}

/// `--password …`: an option that names a secret, with its value as the next word.
fn has_option(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let option = word.strip_prefix("--").filter(|option| option.len() <= 256);
        if option.is_some_and(names_secret) && words.peek().is_some_and(|value| !value.starts_with('-')) {
            return true;
        }
    }
    false
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
            "mysqlpassword",
            "vault_secret",
            "apiToken",
            "ssh_private_key",
            "pass",
            "pass2",
            "proxy_pass",
            "aws-access-key",
            "aws_access_key_id",
            "keystore_passphrase",
            "mysql_root_pwd",
            "mysqlRootPwd",
            "rootpwd",
            "ldap_bind_pw",
            "bindpw",
            "rootpw",
            "dbpass",
            "requirepass",
            "_pw",
            "auth_key",
            "authKey",
            "authkey",
            "AUTH_KEY",
            "secure_auth_key",
            "logged_in_key",
            "encryption_key",
            "zabbix_encryption_keys",
            "gossip_encrypt_key",
            "gossipEncryptKey",
            "APIKey",
            "apikey",
            "license_key",
            "ssl_key",
            "ssh_host_ed25519_key",
            "pre_shared_key",
            "rndc_key",
            "snmp_community",
            "snmp_ro_community",
            "snmpCommunity",
            "rocommunity",
            "community",
            "wpa_psk",
            "rabbitmq_erlang_cookie",
            "nonce_salt",
            "smtp_creds",
            "redis_auth",
            "basic_auth",
            "authorization",
            "krb5.keytab",
        ] {
            assert_eq!(withheld(key, &text("x")), Some(Withheld::Secret), "{key}");
        }
        for key in [
            "rack",
            "compass",
            "bypass",
            "idc",
            "canary",
            "passive",
            "ftp_passive_ports",
            "pci_passthrough",
            "passenger_workers",
            "author",
            "authority",
            "auth_method",
            "key",
            "keys",
            "key_count",
            "key_size",
            "keyboard",
            "keyboard_layout",
            "keyspace",
            "monkey",
            "turkey",
            "hotkey",
            "public_key",
            "ssh_public_key",
            "authorized_keys",
            "primary_key",
            "routing_key",
            "partition_keys",
            "salt_master",
            "salt_version",
            "bgp_community",
            "community_edition",
            "snmp_location",
            "pwm",
            "power",
            "spawn",
            "支付",
        ] {
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
            "postgres://root:hunt/er2@db1/shop",
            "redis://:hunter2@cache1:6379/0",
            "a, amqp://guest:guest@mq1//",
            "https://ghp_0123456789abcdefghijABCDEFGHIJ@github.com/acme/shop",
            "root:hunter2@tcp(db1:3306)/shop",
            "root:hunt/er=2@tcp(db1:3306)/shop?parseTime=true",
            "dsn=root:hunter2@unix(/run/mysqld.sock)/shop",
            "root:hunter2@db1/shop",
            ":hunter2@cache1:6379",
            "jdbc:oracle:thin:scott/tiger@//db1:1521/shop",
            "Server=db1;User Id=sa;Pwd=hunter2",
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=abc==",
            "-Xmx1g -Dpassword=hunter2",
            "mysqldump --user root --password hunter2",
            "curl --auth-token abc http://x",
            "{'user': 'root', 'password': 'hunter2'}",
            "{'snmp_community': 'hunter2'}",
            "api_token : abc",
            "Authorization: Basic cm9vdDpodW50ZXIy",
            "Bearer abc",
            "ghp_0123456789abcdefghijABCDEFGHIJ",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert_eq!(withheld("options", &text(value)), Some(Withheld::Secret), "{value}");
        }
        assert_eq!(withheld("options", &text("$ANSIBLE_VAULT;1.1;AES256")), Some(Withheld::Vault));
        for value in [
            "http://db1:8080/shop",
            "http://[2001:db8::1]:8080/shop?mail=ops@acme.example",
            "http://[2001:db8::1]/@scope",
            "user@host:22",
            "git@github.com:acme/shop.git",
            "mailto:ops@acme.example",
            "ops@acme.example",
            "registry.acme.example:5000/shop@sha256:0123",
            "nginx:1.25@sha256:0123",
            "jdbc:oracle:thin:@db1:1521:shop",
            "a=b",
            "-Xmx1g",
            "tier: gold",
            "https://x/@scope:1",
            "eyJ",
            "AKIA",
            "layout=keyboard, primary_key: id",
            "/usr/bin/app --public-key /etc/app.pub",
            "--help me",
        ] {
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
