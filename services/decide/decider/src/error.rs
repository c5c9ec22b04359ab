//! Why the decider cannot go on, and what to do about it.

use loki_log::Class;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] loki_log::Error),
    /// Skipping it would be divergence.
    #[error("record {offset} of `{topic}` cannot be read: {reason}")]
    Unreadable { topic: String, offset: u64, reason: loki_wire::Error },
    #[error(
        "group `{group}` has committed position {committed} of `{topic}`, but the last outcome says {answered}: the group or the log was set \
         back or restored in part; restore both from one back-up, or set the group to {answered}"
    )]
    Disagree { group: String, topic: String, committed: u64, answered: u64 },
    #[error("`{full}` has records but `{empty}` has none: one of them was lost or created anew; restore both from one back-up")]
    HalfEmpty { full: String, empty: String },
    #[error("`{topic}` has records but no log id: it was not written by a decider, or its beginning was lost; restore it from a back-up")]
    NoLogId { topic: String },
}

impl Error {
    /// What the decider must do. All that is not the log's own business ends it.
    pub fn class(&self) -> Class {
        match self {
            Self::Log(error) => error.class(),
            Self::Unreadable { .. } | Self::Disagree { .. } | Self::HalfEmpty { .. } | Self::NoLogId { .. } => Class::Fatal,
        }
    }

    /// Whether a new start of the same decider may help; a topic that is not there may be made meanwhile.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.class(), Class::Retry | Class::Abort | Class::Fenced) || matches!(self, Self::Log(loki_log::Error::NoSuchTopic(_)))
    }
}
