//! Why the store cannot be used, or does not take an archive.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{url}` is no place for archives ({source}): write `s3://bucket/prefix` or `file:///path`")]
    Place { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("`{name}` is no bucket of S3 that can be read from: {source}")]
    Bucket { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// Asking again may help.
    #[error("the store of archives is away: {0}")]
    Away(String),
}

/// Why an archive was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the archive is larger than {max} bytes")]
    TooLarge { max: u64 },
    #[error("what was sent has the SHA-256 {found}, not {asked}: it was changed on its way, or is another file")]
    Other { asked: String, found: String },
    #[error("the archive has broken off after {bytes} bytes: {why}")]
    BrokenOff { bytes: u64, why: String },
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<object_store::Error> for Refused {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error.into())
    }
}
