//! Answers, and what a failed request tells its sender to do.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Which position it is true at, `f42`; where it says so.
    pub position: Option<String>,
    retry_after: Option<Duration>,
}

/// Why a request has no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Retry: it is away, overloaded, or not ready. `retry_after`: not before.
    #[error("{why}")]
    Away { why: String, retry_after: Option<Duration> },
    /// The same request will be answered the same way until somebody mends something.
    #[error("{0}")]
    Refused(String),
}

/// `application/problem+json`, and OpenTSDB's own errors.
#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    error: Option<OfOpentsdb>,
}

#[derive(Deserialize)]
struct OfOpentsdb {
    message: Option<String>,
}

impl Failure {
    /// Nothing says when it will be better.
    pub fn away(why: impl Into<String>) -> Self {
        Self::Away { why: why.into(), retry_after: None }
    }

    /// Not before so long; bounded, whatever the API or a proxy says.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Away { retry_after, .. } => retry_after.unwrap_or_default().min(RETRY_AFTER_MAX),
            Self::Refused(_) => Duration::ZERO,
        }
    }
}

impl Answer {
    /// `None`: it is longer than `limit`.
    pub(crate) async fn read(mut response: reqwest::Response, limit: usize) -> reqwest::Result<Option<Self>> {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let position = response.headers().get("loki-position").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            if body.len() + piece.len() > limit {
                return Ok(None);
            }
            body.extend_from_slice(&piece);
        }
        Ok(Some(Self { status, body, position, retry_after }))
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// # Errors
    /// The body is not what this version expects: somebody else answers, or another version, perhaps for the time of an upgrade.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::away(format!("the answer cannot be read: {error}")))
    }

    /// Whether it is a refusal of Loki's with this code.
    pub fn has_code(&self, wanted: &str) -> bool {
        serde_json::from_slice::<Problem>(&self.body).is_ok_and(|problem| problem.code.as_deref() == Some(wanted))
    }

    /// What a status other than 2xx means.
    pub fn failure(&self) -> Failure {
        let told = self.told();
        match self.status {
            408 | 429 | 500.. => Failure::Away { why: told, retry_after: self.retry_after },
            _ => Failure::Refused(told),
        }
    }

    /// The status, and what the body says of it, on one line.
    pub fn told(&self) -> String {
        let status = self.status;
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(Problem { code: Some(code), detail, .. }) => format!("{status} {code}: {}", printable(&detail.unwrap_or_default())),
            Ok(Problem { error: Some(OfOpentsdb { message: Some(message) }), .. }) => format!("{status}: {}", printable(&message)),
            _ => match String::from_utf8_lossy(&self.body).lines().next().map(printable) {
                Some(line) => format!("{status}, and not as Loki does: {line}"),
                None => format!("{status}"),
            },
        }
    }
}

/// One line of what somebody else wrote, bounded, without signs that change a terminal.
pub fn printable(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The cause that a library's error ends with.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
impl Answer {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self { status, body: body.as_bytes().to_vec(), position: None, retry_after: Some(Duration::from_secs(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        Answer::of(status, body).failure()
    }

    #[test]
    fn a_failure_says_whether_to_come_again() {
        let problem = r#"{"type":"urn:loki:problem:not_ready","status":503,"code":"not_ready","detail":"the log is away"}"#;
        assert_eq!(
            failure(503, problem),
            Failure::Away { why: "503 not_ready: the log is away".to_owned(), retry_after: Some(Duration::from_secs(1)) }
        );
        let opentsdb = r#"{"error":{"code":400,"message":"Unable to parse","trace":"…"}}"#;
        assert_eq!(failure(400, opentsdb), Failure::Refused("400: Unable to parse".to_owned()));
        assert_eq!(failure(404, ""), Failure::Refused("404".to_owned()));
        for status in [429, 500, 502, 504] {
            assert!(
                matches!(failure(status, "<html>\u{1b}[2J"), Failure::Away { why, .. } if why.contains("not as Loki does: <html>\u{fffd}[2J"))
            );
        }
    }
}
