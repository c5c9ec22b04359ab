//! What handlers take from a request. A mistake is answered with a problem document that names the parameter, never with plain text.

use std::error::Error;
use std::time::Duration;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use loki_runtime::task;
use serde::de::DeserializeOwned;

use crate::App;
use crate::problem::Problem;

/// How long a body may take to arrive: a client that stops sending gives its place back.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// The query string.
pub(crate) struct Query<T>(pub(crate) T);

/// The path's parameters.
pub(crate) struct Path<T>(pub(crate) T);

/// The whole body, at most `api.body_max`.
pub(crate) struct Body(pub(crate) Bytes);

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
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > app.config.body_max) {
            return Err(too_large());
        }
        match task::timeout(BODY_WAIT, Bytes::from_request(request, app)).await {
            Some(Ok(body)) => Ok(Self(body)),
            Some(Err(wrong)) => Err(bad_body(&wrong)),
            None => {
                let detail = format!("the body did not arrive within {}s", BODY_WAIT.as_secs());
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail))
            }
        }
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

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is over the limit of `api.body_max`")
}

fn bad_body(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "bad_body", format!("the body cannot be read: {}", rejection.body_text())),
    }
}
