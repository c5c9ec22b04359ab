//! `GET /v1/packages/{name}/{version}/archive`: the archive of a package, wherever it lies. Agents get from here what lies in S3, and need no keys.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_domain::Package;

use super::give::give;
use super::{missing, store};
use crate::App;
use crate::deploy::packages;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// The archive of a package.
///
/// From the store of archives, or from a bucket of S3 that `artifacts.buckets` names; where it lies at an `http` or `https` address the answer leads
/// there. With `Range: bytes=<from>-` the rest of it.
#[utoipa::path(
    get, path = "/v1/packages/{name}/{version}/archive", tag = "deploys",
    params(("name" = String, Path, description = "The package's name"), ("version" = String, Path, description = "Its version"),
        ("Range" = Option<String>, Header, description = "`bytes=1048576-`")),
    responses((status = 200, description = "The archive", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The rest of it", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 307, description = "It lies elsewhere"), (status = 404, description = "No such version, or nothing is handed out from there", body = Problem),
        (status = 416, description = "It ends before", body = Problem), (status = 503, description = "Not ready, or the store is away", body = Problem))
)]
pub(crate) async fn get_archive(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let Package { url, sha256, .. } = packages::find(&app, &name, &version, None).await?.value.package;
    let at = url.as_str();
    match at.split_once("://") {
        _ if url.is_artifact() => {
            let store = store(&app)?;
            give(&sha256, &headers, async || store.size(&sha256).await, async |from| store.get(&sha256, from).await, || missing(&sha256))
                .await
        }
        Some(("s3", _)) => {
            let object = app.buckets.find(at).ok_or_else(|| {
                let detail = format!("`{at}` is not handed out here: name its bucket in `artifacts.buckets`");
                Problem::new(StatusCode::NOT_FOUND, "no_bucket", detail)
            })?;
            let missing = || Problem::not_found(format!("there is nothing at `{at}`"));
            give(&sha256, &headers, async || object.size().await, async |from| object.get(from).await, missing).await
        }
        Some(("http" | "https", _)) => Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, at)]).into_response()),
        _ => Err(Problem::not_found(format!("`{at}` lies on the hosts themselves"))),
    }
}
