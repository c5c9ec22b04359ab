//! An answer: whole, or in pieces.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::body;
use super::error::Error;
use super::problem::Problem;
use crate::output::text::printable;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `Loki-Position`: the position that it is true at.
    pub position: Option<String>,
    pub body: Bytes,
    path: String,
}

impl Answer {
    /// # Errors
    /// The body is not what this version expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(error))
    }

    /// The body as it came, on one line.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn raw(&self) -> Result<Box<serde_json::value::RawValue>, Error> {
        self.json()
    }

    pub(crate) fn unreadable(&self, cause: impl ToString) -> Error {
        Error::Unreadable { path: self.path.clone(), cause: cause.to_string() }
    }
}

/// An answer whose body has yet to be read.
pub struct Stream {
    response: reqwest::Response,
    api: String,
    path: String,
}

impl Stream {
    pub(super) fn new(api: &str, path: &str, response: reqwest::Response) -> Self {
        Self { response, api: api.to_owned(), path: path.to_owned() }
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next piece; `None` at the end. `idle`: how long the server may be silent.
    ///
    /// # Errors
    /// The connection broke, or nothing came in time.
    pub async fn piece(&mut self, idle: Duration) -> Result<Option<Bytes>, Error> {
        let Some(read) = loki_runtime::task::timeout(idle, self.response.chunk()).await else {
            return Err(Error::TimedOut { api: self.api.clone() });
        };
        read.map_err(|error| Error::of(&self.api, &error))
    }

    pub(super) async fn read(self) -> Result<Answer, Error> {
        let Self { response, api, path } = self;
        let status = response.status().as_u16();
        let position = header(&response, "loki-position");
        let body = body::read(response, &api, body::LIMIT).await?;
        Ok(Answer { status, position, body, path })
    }

    /// Every status but 2xx as the error that it means.
    pub(super) async fn checked(self) -> Result<Self, Error> {
        if self.response.status().is_success() {
            return Ok(self);
        }
        let status = self.status();
        let retry_after = header(&self.response, "retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = body::read(self.response, &self.api, body::PROBLEM_LIMIT).await?;
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Error::Problem(Box::new(Problem { status, retry_after, ..problem })),
            Err(_) => {
                let excerpt = String::from_utf8_lossy(&body).lines().next().map(printable).unwrap_or_default();
                Error::Foreign { api: self.api, status, excerpt }
            }
        })
    }
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
