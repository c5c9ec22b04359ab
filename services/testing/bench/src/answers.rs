//! What two servers answer to one question: they are compared before they are measured.

use std::time::Duration;

use anyhow::Result;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use loki_cli::client::plain;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

const READY_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Those that the handler sets, not those of the HTTP library.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn ask(url: &str, etag: Option<&str>) -> Result<Answer> {
    let mut request = plain().build()?.get(url);
    if let Some(etag) = etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let answer = request.send().await?;
    Ok(Answer { status: answer.status(), headers: own_headers(answer.headers()), body: answer.bytes().await? })
}

/// Readers get 503 until the API knows how far the stores must be.
pub(crate) async fn first(url: &str) -> Result<Answer> {
    let watch = Stopwatch::start();
    loop {
        let answer = ask(url, None).await?;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE || watch.elapsed() > READY_WITHIN {
            anyhow::ensure!(answer.status == StatusCode::OK, "{url} answers {}: {:?}", answer.status, answer.body);
            return Ok(answer);
        }
        task::sleep(Duration::from_millis(50)).await;
    }
}

/// Status, headers and bytes are the same, or there is nothing to compare.
pub(crate) async fn same(ours: &str, peer: &str, etag: Option<&str>) -> Result<()> {
    let (mut ours, mut peer) = (ask(ours, etag).await?, ask(peer, etag).await?);
    // a bare handler's empty body has a type of its own
    for answer in [&mut ours, &mut peer] {
        if answer.body.is_empty() {
            answer.headers.remove(header::CONTENT_TYPE);
        }
    }
    anyhow::ensure!(
        ours == peer,
        "the peer answers something else: {} {:?}, ours {} {:?}",
        peer.status,
        peer.headers,
        ours.status,
        ours.headers
    );
    Ok(())
}

fn own_headers(headers: &HeaderMap) -> HeaderMap {
    let library = [header::DATE, header::CONTENT_LENGTH];
    headers.iter().filter(|(name, _)| !library.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
