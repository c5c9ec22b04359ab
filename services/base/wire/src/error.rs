//! Why bytes are not an event.

/// Errors of reading. A command that cannot be read goes to the dead letters; a fact or an outcome that cannot be read stops its partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("the JSON is nested deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("bad JSON: {0}")]
    Json(String),
    #[error("bad envelope: `{field}` {message}")]
    Envelope { field: &'static str, message: String },
    #[error("unknown type `{0}`")]
    UnknownType(String),
    #[error("unknown version `{0}`")]
    UnknownVersion(String),
    /// The data does not have the shape of its schema.
    #[error("`{field}`: {message}")]
    Shape { field: String, message: String },
    /// The shape is right, a value is not allowed.
    #[error("`{field}`: {message}")]
    Value { field: String, message: String },
}

impl Error {
    /// The stable code: in problem documents, and as the reason of a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooDeep { .. } => "too_deep",
            Self::Json(_) => "bad_json",
            Self::Envelope { .. } => "bad_envelope",
            Self::UnknownType(_) => "unknown_type",
            Self::UnknownVersion(_) => "unknown_version",
            Self::Shape { .. } => "schema_violation",
            Self::Value { .. } => "invalid",
        }
    }

    /// The field that is wrong, when one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Envelope { field, .. } => Some(field),
            Self::Shape { field, .. } | Self::Value { field, .. } => Some(field),
            Self::UnknownType(_) => Some("type"),
            Self::UnknownVersion(_) => Some("dataschema"),
            Self::TooLarge { .. } | Self::TooDeep { .. } | Self::Json(_) => None,
        }
    }
}

/// Names the field of a domain error.
pub(crate) trait At<T> {
    fn at(self, field: impl Into<String>) -> Result<T, Error>;
}

impl<T> At<T> for Result<T, loki_domain::Invalid> {
    fn at(self, field: impl Into<String>) -> Result<T, Error> {
        self.map_err(|invalid| Error::Value { field: field.into(), message: invalid.0 })
    }
}
