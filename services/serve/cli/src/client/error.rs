//! Why the API gave no answer, said so that the reader knows what to do.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use loki_client::answer::innermost;

use super::problem::Problem;
use super::tls;
use crate::exit::{Exit, Failure};
use crate::output::text::printable;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("nothing listens at {api}: start Loki with `loki all`, or name its address with `--api`")]
    NothingListens { api: String },
    #[error("cannot reach {api}: {cause}: name another address with `--api`")]
    Unreachable { api: String, cause: String },
    #[error("cannot speak to {api}: {reason}")]
    Untrusted { api: String, reason: String },
    #[error("{0}")]
    Problem(Box<Problem>),
    #[error("{api} answered {status}, and not as Loki does: does `--api` name another server? {excerpt}")]
    Foreign { api: String, status: u16, excerpt: String },
    #[error("no answer from {api} in time")]
    TimedOut { api: String },
    #[error("the connection to {api} broke: {cause}")]
    Broken { api: String, cause: String },
    #[error("the answer has more than {} MiB", limit >> 20)]
    TooLarge { limit: usize },
    #[error("the answer to `{path}` cannot be read: {cause}: is the server of another version?")]
    Unreadable { path: String, cause: String },
    #[error("{0}")]
    Request(String),
}

impl Error {
    pub(super) fn of(api: &str, error: &reqwest::Error) -> Self {
        let api = api.trim_end_matches('/').to_owned();
        let cause = innermost(error);
        if error.is_timeout() {
            Self::TimedOut { api }
        } else if error.is_builder() {
            Self::Request(format!("the request cannot be made: {cause}"))
        } else if !error.is_connect() {
            Self::Broken { api, cause }
        } else if let Some(reason) = tls::reason(error) {
            Self::Untrusted { api, reason }
        } else if has_kind(error, ErrorKind::ConnectionRefused) {
            Self::NothingListens { api }
        } else {
            Self::Unreachable { api, cause }
        }
    }

    /// The request never reached a server, so that it can be repeated whatever it was.
    pub(crate) fn is_unsent(&self) -> bool {
        matches!(self, Self::NothingListens { .. } | Self::Unreachable { .. })
    }

    /// The same request may be answered a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NothingListens { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Problem(problem) => is_passing(problem.status),
            Self::Foreign { status, .. } => is_passing(*status),
            Self::Untrusted { .. } | Self::TooLarge { .. } | Self::Unreadable { .. } | Self::Request(_) => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            _ => None,
        }
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::TimedOut { .. } => Exit::Timeout,
            Self::Request(_) => Exit::Usage,
            Self::Problem(problem) => match problem.status {
                400 | 413 | 422 => Exit::Usage,
                401 | 403 => Exit::Auth,
                404 => Exit::NotFound,
                409 | 412 => Exit::Conflict,
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = error.exit();
        let mut message = printable(&error.to_string());
        if exit == Exit::Auth {
            message.push_str(": give the token by `--token-file` or the variable `LOKI__API__TOKEN`");
        }
        Failure::new(exit, message)
    }
}

/// Overloaded or away, the proxy before it included.
fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn has_kind(error: &reqwest::Error, kind: ErrorKind) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == kind) {
            return true;
        }
        cause = error.source();
    }
    false
}
