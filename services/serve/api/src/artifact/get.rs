//! `GET /v1/artifacts/{sha256}`: an archive, or the rest of it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::give::give;
use super::{digest, missing, store};
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
    give(&named, &headers, async || store.size(&named).await, async |from| store.get(&named, from).await, || missing(&named)).await
}
