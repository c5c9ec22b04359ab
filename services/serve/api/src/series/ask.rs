//! Everything else under `/api/`: asked of the time-series store, and passed on as it answers.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use loki_opentsdb::{Answer, Request, StoreError};

use super::wrong;
use crate::App;
use crate::extract::Whole;
use crate::problem::Result;

pub(super) async fn ask_store(
    State(app): State<App>,
    Path(path): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Whole>,
) -> Response {
    let Whole(body) = match body {
        Ok(body) => body,
        Err(problem) => return wrong::problem(&problem),
    };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = Request {
        method: method.to_string(),
        path,
        query: query.unwrap_or_default(),
        content_type: text(header::CONTENT_TYPE),
        content_encoding: text(header::CONTENT_ENCODING),
        accept_encoding: text(header::ACCEPT_ENCODING),
        body,
    };
    match app.series.answer(request).await {
        Ok(answer) => passed_on(answer),
        Err(error @ StoreError::Unknown(_)) => wrong::error(StatusCode::NOT_FOUND, &error.to_string(), None),
        Err(StoreError::Refused(why)) => wrong::error(StatusCode::BAD_REQUEST, &why, None),
        Err(error @ StoreError::TooLarge { .. }) => wrong::error(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string(), None),
        Err(error) => wrong::away(&error.to_string()),
    }
}

fn passed_on(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, Body::from_stream(answer.body.map_err(std::io::Error::other))).into_response();
    let given = [(header::CONTENT_TYPE, answer.content_type), (header::CONTENT_ENCODING, answer.content_encoding)];
    for (name, text) in given.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
