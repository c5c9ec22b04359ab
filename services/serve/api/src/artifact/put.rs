//! `PUT /v1/artifacts/{sha256}`: an archive comes in.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use loki_artifacts::Refused;
use loki_domain::Use;
use loki_runtime::task;
use serde::Serialize;
use utoipa::ToSchema;

use super::{digest, store};
use crate::App;
use crate::auth::Signer;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// An upload without a byte for so long gives its place back.
const STALL: Duration = Duration::from_secs(30);

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    sha256: String,
    /// In bytes.
    size: u64,
}

/// Takes an archive, for whoever has a named token that is for deploys.
///
/// Whatever is sent has to have the SHA-256 that it is sent as; else nothing is kept of it. A package that is registered with the `url` `artifact` is
/// fetched from here.
#[utoipa::path(
    put, path = "/v1/artifacts/{sha256}", tag = "deploys", params(("sha256" = String, Path, description = "The archive's SHA-256, in base 16")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The archive, at most `artifacts.size_max`"),
    responses((status = 201, description = "It is there", body = Taken),
        (status = 400, description = "It broke off, or has another digest", body = Problem), (status = 403, description = "Without a named token for deploys", body = Problem),
        (status = 404, description = "No store of archives", body = Problem), (status = 413, description = "Over `artifacts.size_max`", body = Problem),
        (status = 503, description = "The store is away", body = Problem))
)]
pub(crate) async fn put_artifact(
    State(app): State<App>,
    Path(sha256): Path<String>,
    signer: Option<Extension<Signer>>,
    body: Body,
) -> Result<Response> {
    let (store, named) = (store(&app)?, digest(&sha256)?);
    let Some(Extension(signer)) = signer else {
        let detail = "whoever sends archives needs a named token: send its secret as bearer token, see `loki admin token create --help`";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    };
    signer.check(Use::Deploy)?;
    let max = app.config.artifact_max;
    // nothing is read of one that says that it is too large
    if body.size_hint().exact().is_some_and(|size| size > max) {
        return Err(Refused::TooLarge { max }.into());
    }
    let size = store.put(&named, in_time(body), max).await?;
    Ok((StatusCode::CREATED, Json(Taken { sha256, size })).into_response())
}

/// The pieces of a body; an error ends them.
fn in_time(body: Body) -> impl Stream<Item = std::result::Result<Bytes, Broken>> {
    stream::unfold(Some(body.into_data_stream()), |pieces| async {
        let mut pieces = pieces?;
        match task::timeout(STALL, pieces.next()).await {
            Some(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Some(Some(Err(error))) => Some((Err(Broken(error.to_string())), None)),
            Some(None) => None,
            None => Some((Err(Broken(format!("nothing came for {} s", STALL.as_secs()))), None)),
        }
    })
}

struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::TooLarge { .. } => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail),
            Refused::Other { .. } => Problem::new(StatusCode::BAD_REQUEST, "bad_digest", detail).field("sha256"),
            Refused::BrokenOff { .. } => Problem::new(StatusCode::BAD_REQUEST, "broken_off", detail),
            Refused::Store(error) => error.into(),
        }
    }
}
