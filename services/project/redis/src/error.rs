//! What can go wrong with Redis, and what to do about it.

use loki_runner::StoreError;
use redis::{ErrorKind, RedisError};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Retry: unreachable, overloaded, out of memory, a replica, or the result of a write is unknown.
    #[error("redis: {0}")]
    Away(String),
    /// Someone must act: rights, settings, a version that is too old.
    #[error("redis: {0}")]
    Unusable(String),
    /// Something that Loki did not write lies where Loki writes.
    #[error("`{key}` in redis cannot be read: {message}")]
    Unreadable { key: String, message: String },
}

/// Answers of a server that is to be asked again: what is wrong mends itself, or is mended without this process.
const LATER: [&str; 11] = [
    "OOM",
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MISCONF",
    "NOREPLICAS",
    // a script that was dropped between loading and calling it
    "NOSCRIPT",
    "UNBLOCKED",
];
/// Answers to whoever may not, or must be somebody else.
const RIGHTS: [&str; 4] = ["NOAUTH", "WRONGPASS", "NOPERM", "DENIED"];

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) => Self::Unusable(format!("{text}: check the user and the password in `redis.url`")),
            (ErrorKind::InvalidClientConfig | ErrorKind::UnexpectedReturnType, _) => Self::Unusable(text),
            (_, Some(code)) if LATER.contains(&code) => Self::Away(format!("{text}{}", advice(code))),
            (_, Some(code)) if RIGHTS.contains(&code) => Self::Unusable(format!(
                "{text}: check the user in `redis.url`, which needs `EVALSHA`, `SCRIPT LOAD`, `INFO` and the keys of `redis.prefix`"
            )),
            (_, Some("MOVED" | "ASK" | "CROSSSLOT")) => {
                Self::Unusable(format!("{text}: it belongs to a cluster; `redis.url` must name a server of its own"))
            }
            (_, Some(code)) => Self::of_script(code, error.detail().unwrap_or_default(), text),
            // the connection, or an answer that makes no sense: both are tried again on a new one
            (_, None) => Self::Away(text),
        }
    }
}

impl Error {
    /// Servers before 7 put what a command in a script answered into the text.
    fn of_script(code: &str, detail: &str, text: String) -> Self {
        if let Some(code) = LATER.iter().find(|code| detail.contains(&format!("-{code} "))) {
            return Self::Away(format!("{text}{}", advice(code)));
        }
        if detail.contains("max number of clients") {
            return Self::Away(format!("{text}: raise `maxclients`"));
        }
        if detail.contains("nknown command") || detail.contains("nknown Redis command") {
            return Self::Unusable(format!("{text}: it must be 6.2 or newer"));
        }
        if code == "WRONGTYPE" {
            return Self::Unusable(format!("{text}: others write to keys of `redis.prefix`; delete them"));
        }
        Self::Unusable(text)
    }
}

/// What mends it.
fn advice(code: &str) -> &'static str {
    match code {
        "OOM" => ": raise `maxmemory`",
        "READONLY" => ": it is a replica; `redis.url` must name the primary",
        _ => "",
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Away(message) => Self::Away(message),
            Error::Unusable(message) => Self::Unusable(message),
            unreadable @ Error::Unreadable { .. } => Self::Unusable(unreadable.to_string()),
        }
    }
}
