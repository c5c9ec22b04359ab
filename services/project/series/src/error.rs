//! Why the store cannot do what it was asked, and what to do about it.

/// Questions never end in one of these: [`crate::Store::answer`] turns them into OpenTSDB's error answers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fatal: the disk failed, is full or is not ours. What was acknowledged is there; open the store again when the cause is gone.
    #[error("the series store cannot use its folder: {0}")]
    Disk(String),
    /// Fatal: another process has the store open.
    #[error("the series store is open in another process: stop that, or give this one a folder of its own")]
    Locked,
    /// Fatal: these bytes were not written by this version, or are damaged.
    #[error("`{what}` in the series store cannot be read: restore its folder, or delete it and fill the store again")]
    Unreadable { what: String },
    /// Poison: the sample's series would be one too many.
    #[error("the series store holds {series_max} series already: drop tags with many values, or raise `series_max`")]
    TooManySeries { series_max: usize },
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::Locked,
            fjall::Error::Io(error) => Self::Disk(error.to_string()),
            other => Self::Disk(other.to_string()),
        }
    }
}

impl Error {
    pub(crate) fn unreadable(what: impl Into<String>) -> Self {
        Self::Unreadable { what: what.into() }
    }
}
