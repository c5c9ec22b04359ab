//! What can be wrong before the store answers at all. What it answers is classified in `sql`, and told as `StoreError` or `ReadError`.

use crate::sql::Fault;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{section}.{field}` {message}")]
pub struct ConfigError {
    /// Of the settings.
    pub section: &'static str,
    pub field: &'static str,
    pub message: String,
}

/// Why `loki migrate` did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Trying again may help.
    #[error("the store is away: {0}")]
    Away(String),
    #[error("the schema cannot be migrated: {0}")]
    Refused(String),
}

impl From<Fault> for MigrateError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(text) | Fault::Emptied(text) => Self::Away(text),
            Fault::Crowded => Self::Away(fault.to_string()),
            Fault::Unusable(text) => Self::Refused(text),
        }
    }
}
