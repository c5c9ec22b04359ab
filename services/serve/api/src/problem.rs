//! Errors as RFC 9457 problem documents with a stable `code`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a request, or why it cannot be answered now. Boxed: it travels in the error of every handler.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

/// The document as it is sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Document {
    /// `urn:loki:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// A stable code for programs.
    code: String,
    /// What is wrong and how to mend it, for people.
    detail: String,
    /// The field, parameter or header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The key of the entity in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<String>,
    /// Seconds after which to try again; also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The id of the command, also when it was given here: it may be in the log, and sent again with the same id it has its effect once.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    pub fn new(status: StatusCode, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Self(Box::new(Document {
            kind: format!("urn:loki:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            conflict: None,
            retry_after: None,
            id: None,
        }))
    }

    pub(crate) fn bad_parameter(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", detail).field(field)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// A store or the log cannot answer now.
    pub(crate) fn not_ready(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail);
        problem.0.retry_after = Some(1);
        problem
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    pub(crate) fn conflict(mut self, key: impl ToString) -> Self {
        self.0.conflict = Some(key.to_string());
        self
    }

    /// What is not known of a command that was sent to the log, and what to do.
    pub(crate) fn unknown_result(mut self, id: &str) -> Self {
        self.0
            .detail
            .push_str(&format!("; whether the command is in the log is not known: send it again with the id `{}`", id.escape_default()));
        self.id(id)
    }

    /// The command that it is about.
    pub(crate) fn id(mut self, id: &str) -> Self {
        self.0.id = Some(id.to_owned());
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl From<loki_wire::Error> for Problem {
    /// A command that intake refuses.
    fn from(error: loki_wire::Error) -> Self {
        use loki_wire::Error as E;
        let status = match &error {
            E::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            E::Json(_) | E::TooDeep { .. } => StatusCode::BAD_REQUEST,
            E::Envelope { .. } | E::UnknownType(_) | E::UnknownVersion(_) | E::Shape { .. } | E::Value { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        problem.0.field = error.field().map(str::to_owned);
        problem
    }
}

impl From<loki_log::Error> for Problem {
    fn from(error: loki_log::Error) -> Self {
        match error.class() {
            loki_log::Class::Invalid => match &error {
                loki_log::Error::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
                _ => Self::not_ready(error.to_string()),
            },
            _ => Self::not_ready(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.retry_after;
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
