//! `GET /v1/artifacts/{sha256}`: an archive, or the rest of it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{digest, store};
use crate::App;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// An archive by its SHA-256.
///
/// With `Range: bytes=<from>-` the rest of it, so that a download that broke off goes on. Other ranges are passed over.
#[utoipa::path(
    get, path = "/v1/artifacts/{sha256}", tag = "deploys",
    params(("sha256" = String, Path, description = "The archive's SHA-256, in base 16"), ("Range" = Option<String>, Header, description = "`bytes=1048576-`")),
    responses((status = 200, description = "The archive", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The rest of it", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, description = "No such archive, or no store of archives", body = Problem),
        (status = 416, description = "It ends before", body = Problem), (status = 503, description = "The store is away", body = Problem))
)]
pub(crate) async fn get_artifact(State(app): State<App>, Path(sha256): Path<String>, headers: HeaderMap) -> Result<Response> {
    let (store, named) = (store(&app)?, digest(&sha256)?);
    let missing = || Problem::not_found(format!("no archive `{sha256}`: `loki package push` brings one"));
    let from = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(from);
    if let Some(from) = from {
        let size = store.size(&named).await?.ok_or_else(missing)?;
        if from >= size {
            let detail = format!("`Range` begins at {from}, and the archive has {size} bytes");
            return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", detail).field("Range"));
        }
    }
    let found = store.get(&named, from.unwrap_or(0)).await?.ok_or_else(missing)?;
    let (status, length) = match from {
        Some(from) => (StatusCode::PARTIAL_CONTENT, found.size.saturating_sub(from)),
        None => (StatusCode::OK, found.size),
    };
    let mut response = Body::from_stream(found.bytes).into_response();
    *response.status_mut() = status;
    let tag = format!("\"{sha256}\"");
    let mut say = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    say(header::CONTENT_TYPE, "application/octet-stream");
    say(header::CONTENT_LENGTH, &length.to_string());
    say(header::ACCEPT_RANGES, "bytes");
    say(header::ETAG, &tag);
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
