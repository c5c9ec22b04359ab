//! How an archive is given: as a whole, or from some byte on.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_artifacts::{Error, Found};
use loki_domain::Sha256;

use crate::problem::{Problem, Result};

/// The answer with an archive that has this digest. `size` and `get` ask for it, `missing` says that it is not there.
pub(super) async fn give(
    sha256: &Sha256,
    headers: &HeaderMap,
    size: impl AsyncFnOnce() -> std::result::Result<Option<u64>, Error>,
    get: impl AsyncFnOnce(u64) -> std::result::Result<Option<Found>, Error>,
    missing: impl Fn() -> Problem,
) -> Result<Response> {
    let from = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(from);
    if let Some(from) = from {
        let size = size().await?.ok_or_else(&missing)?;
        if from >= size {
            let detail = format!("`Range` begins at {from}, and the archive has {size} bytes");
            return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", detail).field("Range"));
        }
    }
    let found = get(from.unwrap_or(0)).await?.ok_or_else(missing)?;
    let (status, length) = match from {
        Some(from) => (StatusCode::PARTIAL_CONTENT, found.size.saturating_sub(from)),
        None => (StatusCode::OK, found.size),
    };
    let mut response = Body::from_stream(found.bytes).into_response();
    *response.status_mut() = status;
    let mut say = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    say(header::CONTENT_TYPE, "application/octet-stream");
    say(header::CONTENT_LENGTH, &length.to_string());
    say(header::ACCEPT_RANGES, "bytes");
    say(header::ETAG, &format!("\"{sha256}\""));
    if let Some(from) = from {
        say(header::CONTENT_RANGE, &format!("bytes {from}-{}/{}", found.size - 1, found.size));
    }
    Ok(response)
}

/// The first byte of a range without an end.
fn from(range: &str) -> Option<u64> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok().filter(|from| *from > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_an_end_is_the_rest() {
        assert_eq!(from("bytes=7-"), Some(7));
        for other in ["bytes=0-", "bytes=0-7", "bytes=-7", "bytes=1-,9-", "lines=1-", "bytes=x-", ""] {
            assert_eq!(from(other), None, "{other}");
        }
    }
}
