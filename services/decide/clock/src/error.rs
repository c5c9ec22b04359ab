//! Why the clock cannot go on, and what to do about it.

use loki_log::Class;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] loki_log::Error),
    /// Its timer would never be fired.
    #[error("record {offset} of `{topic}` cannot be read: {reason}; it was written by a newer version: start that one")]
    Unreadable { topic: String, offset: u64, reason: loki_wire::Error },
}

impl Error {
    /// Whether a new start of the same clock may help: it begins with the first fact then.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Log(error) if error.class() != Class::Fatal || matches!(error, loki_log::Error::NoSuchTopic(_)))
    }
}
