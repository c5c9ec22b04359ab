//! What can go wrong with ZooKeeper, and what to do about it.

use ::zookeeper as zk;
use loki_runner::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Retry: unreachable, overloaded, or the result of a write is unknown.
    #[error("zookeeper: {0}")]
    Away(String),
    /// Someone must act: rights, a command that no `multi` can hold.
    #[error("zookeeper: {0}")]
    Unusable(String),
    /// Something that Loki did not write lies where Loki writes.
    #[error("`{path}` in zookeeper cannot be read: {message}")]
    Unreadable { path: String, message: String },
}

impl From<zk::Error> for Error {
    fn from(error: zk::Error) -> Self {
        match error {
            zk::Error::NoAuth | zk::Error::InvalidAcl | zk::Error::AuthFailed => {
                Self::Unusable(format!("{error}: check `zookeeper.auth` and the rights on `zookeeper.chroot`"))
            }
            zk::Error::Unimplemented => Self::Unusable(format!("{error}: it must be 3.6 or newer")),
            zk::Error::BadArguments(_) | zk::Error::QuotaExceeded => Self::Unusable(error.to_string()),
            other => Self::Away(other.to_string()),
        }
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
