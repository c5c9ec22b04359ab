//! What handlers take from a request. A mistake is answered with a problem document that names the parameter, never with plain text.

use std::error::Error;
use std::time::Duration;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use futures::StreamExt;
use loki_runtime::task;
use loki_wire::envelope::COMMAND_BYTES_MAX;
use serde::de::DeserializeOwned;

use crate::App;
use crate::problem::Problem;

/// How long a body may take to arrive: a client that stops sending gives its place back.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// The query string.
pub(crate) struct Query<T>(pub(crate) T);

/// The path's parameters.
pub(crate) struct Path<T>(pub(crate) T);

/// The whole body, at most what a command may have. One that is longer is read to its end and thrown away: whoever is still sending does not
/// see an answer. Past `api.body_max` not even that.
pub(crate) struct Body(pub(crate) Bytes);

/// The whole body, as long as `api.body_max` allows.
pub(crate) struct Whole(pub(crate) Bytes);

/// A body while it arrives. What is kept of it is bounded.
struct Arriving {
    kept: Vec<u8>,
    bytes: usize,
    keep_max: usize,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|axum::extract::Query(value)| Self(value)).map_err(|wrong| bad_query(&wrong))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Self(value)).map_err(|wrong| bad_path(&wrong))
    }
}

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        Arriving::new(COMMAND_BYTES_MAX).read(request, app.config.body_max).await?.whole().map(Self)
    }
}

impl FromRequest<App> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let body_max = app.config.body_max;
        Ok(Self(Bytes::from(Arriving::new(body_max).read(request, body_max).await?.kept)))
    }
}

impl Arriving {
    fn new(keep_max: usize) -> Self {
        Self { kept: Vec::new(), bytes: 0, keep_max }
    }

    /// Reads all of it, up to `body_max`.
    async fn read(mut self, request: Request, body_max: usize) -> Result<Self, Problem> {
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > body_max) {
            return Err(over_body_max(body_max));
        }
        let mut parts = request.into_body().into_data_stream();
        let read = task::timeout(BODY_WAIT, async {
            while let Some(part) = parts.next().await {
                let part = part.map_err(|error| bad_body(&error))?;
                if self.take(&part) > body_max {
                    return Err(over_body_max(body_max));
                }
            }
            Ok(self)
        });
        read.await.unwrap_or_else(|| {
            let detail = format!("the body did not arrive within {}s", BODY_WAIT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail))
        })
    }

    /// How much has come.
    fn take(&mut self, part: &[u8]) -> usize {
        self.bytes += part.len();
        if self.bytes > self.keep_max {
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(part);
        }
        self.bytes
    }

    fn whole(self) -> Result<Bytes, Problem> {
        if self.bytes > self.keep_max {
            return Err(loki_wire::Error::TooLarge { bytes: self.bytes, limit: self.keep_max }.into());
        }
        Ok(Bytes::from(self.kept))
    }
}

fn bad_query(rejection: &QueryRejection) -> Problem {
    let mut source: Option<&(dyn Error + 'static)> = Some(rejection);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            let (said, path) = (error.inner().to_string(), error.path().to_string());
            return match of_whole_query(&said) {
                Some(field) => Problem::bad_parameter(field, said.clone()),
                None => Problem::bad_parameter(&path, format!("`{path}`: {said}")),
            };
        }
        source = error.source();
    }
    Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", rejection.body_text())
}

/// The parameter's name in serde's words about one that is unknown, missing or given twice.
fn of_whole_query(said: &str) -> Option<&str> {
    let rest = ["unknown field `", "missing field `", "duplicate field `"].iter().find_map(|start| said.strip_prefix(start))?;
    rest.split('`').next()
}

fn bad_path(rejection: &PathRejection) -> Problem {
    match rejection {
        PathRejection::FailedToDeserializePathParams(error) => match error.kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => Problem::bad_parameter(key, format!("`{key}` is not UTF-8 once it is decoded")),
            other => Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", other.to_string()),
        },
        other => Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", other.body_text()),
    }
}

fn over_body_max(limit: usize) -> Problem {
    let detail = format!("the body is over the limit of `api.body_max`, {limit} bytes; a command has at most {COMMAND_BYTES_MAX}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

fn bad_body(error: &axum::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body", format!("the body cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_body_that_is_too_long_nothing_is_kept() {
        let mut arriving = Arriving::new(COMMAND_BYTES_MAX);
        let part = vec![b'x'; COMMAND_BYTES_MAX / 4];
        for number in 1..=100 {
            assert_eq!(arriving.take(&part), number * part.len());
            assert!(arriving.kept.capacity() <= 2 * COMMAND_BYTES_MAX, "{number}");
        }
        assert_eq!(arriving.kept.capacity(), 0);
        assert_eq!(arriving.whole().err().unwrap().status(), 413);

        let mut arriving = Arriving::new(COMMAND_BYTES_MAX);
        for _ in 0..4 {
            arriving.take(&part);
        }
        assert_eq!(arriving.whole().unwrap().len(), COMMAND_BYTES_MAX);
    }
}
