//! A store that keeps nothing: it answers as OpenTSDB does, and counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use loki_runtime::task;

/// Points that were put.
#[derive(Clone, Default)]
pub(super) struct Stub {
    points: Arc<AtomicU64>,
}

impl Stub {
    /// Where it listens.
    pub(super) async fn start(&self) -> Result<SocketAddr> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        // nothing is there yet, whatever is asked
        let nothing = || async { Json(Vec::<()>::new()) };
        let router = Router::new().route("/api/put", post(put)).route("/api/query", post(nothing));
        let router = router.layer(DefaultBodyLimit::disable()).with_state(self.clone());
        task::spawn("stub", async move { axum::serve(listener, router).await });
        Ok(address)
    }

    pub(super) fn points(&self) -> u64 {
        self.points.load(Ordering::Acquire)
    }
}

async fn put(State(stub): State<Stub>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    let points = match headers.get(header::CONTENT_ENCODING) {
        None => points_in(&body),
        Some(_) => {
            let mut plain = Vec::new();
            if std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain).is_err() {
                return StatusCode::BAD_REQUEST.into_response();
            }
            points_in(&plain)
        }
    };
    stub.points.fetch_add(points, Ordering::AcqRel);
    match query.is_some_and(|query| query.contains("details")) {
        true => ([(header::CONTENT_TYPE, "application/json")], format!(r#"{{"errors":[],"failed":0,"success":{points}}}"#)).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A point is an object with an object of tags in it, and no name has a brace.
fn points_in(body: &[u8]) -> u64 {
    body.iter().map(|byte| u64::from(*byte == b'}')).sum::<u64>() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted_by_their_braces() {
        let point = r#"{"metric":"m","timestamp":1,"value":"1.5","tags":{"host":"a"}}"#;
        assert_eq!(points_in(format!("[{point},{point}]").as_bytes()), 2);
        assert_eq!(points_in(b"[]"), 0);
    }
}
