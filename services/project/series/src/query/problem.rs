//! Why a question has no answer, in OpenTSDB's shape.

use super::json::Json;
use crate::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) details: String,
}

impl Problem {
    pub(crate) fn new(status: u16, message: impl Into<String>, details: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: details.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message, "")
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, message, "")
    }

    /// A name that nothing was ever put under; `kind` is `metrics`, `tagk` or `tagv`.
    pub(crate) fn no_such_name(kind: &str, name: &str) -> Self {
        let message = format!("No such name for '{kind}': '{name}'");
        Self::new(400, message.clone(), message)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut json = Json::default();
        json.raw(r#"{"error":{"code":"#).whole(i64::from(self.status)).raw(r#","message":"#).text(&self.message);
        if !self.details.is_empty() {
            json.raw(r#","details":"#).text(&self.details);
        }
        json.raw("}}");
        json.into_bytes()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(500, "the store cannot be read", error.to_string())
    }
}
