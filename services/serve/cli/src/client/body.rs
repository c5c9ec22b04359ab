//! Reading a body, bounded: whatever answers may be no Loki at all.

use bytes::{Bytes, BytesMut};

use super::error::Error;

/// A tree of 100,000 nodes has some 30 MiB.
pub(super) const LIMIT: usize = 256 << 20;

pub(super) const PROBLEM_LIMIT: usize = 1 << 20;

pub(super) async fn read(mut response: reqwest::Response, api: &str, limit: usize) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Error::of(api, &error))? {
        if body.len() + piece.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
