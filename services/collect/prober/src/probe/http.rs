//! One request over HTTP/1.1, and as much of its answer as is looked at.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use loki_runtime::task;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;

use super::report::{Content, Failure, Phase, Report};
use crate::target::Target;

/// Of a body: beyond that it is a download, whose time says more of the line than of the domain.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Of the head of an answer; browsers take some 256 KiB.
const HEAD_BYTES_MAX: usize = 256 << 10;

pub(super) async fn ask<S>(stream: S, target: &Target, report: &mut Report) -> Result<Content, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // the connection lives until the body is read
    let (response, _connection) = report.measure(Phase::FirstByte, None, head(stream, target)).await?;
    let status = response.status().as_u16();
    report.status = Some(status);
    let keep = target.expectation().body.is_some();
    let (body, is_cut) = report.measure(Phase::Transfer, None, body(response.into_body(), keep)).await?;
    Ok(Content { status, body, is_cut })
}

async fn head<S>(stream: S, target: &Target) -> Result<(Response<Incoming>, AbortOnDropHandle<hyper::Result<()>>), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::get(target.path())
        .header(HOST, target.authority())
        .header(USER_AGENT, concat!("loki-prober/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let connection = AbortOnDropHandle::new(task::spawn("probe", connection));
    let response = sender.send_request(request).await.map_err(|error| told(&error))?;
    Ok((response, connection))
}

/// The body if it is to be kept, and whether there was more of it.
async fn body(mut body: Incoming, keep: bool) -> Result<(Vec<u8>, bool), String> {
    let (mut kept, mut left) = (Vec::new(), BODY_BYTES_MAX);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| told(&error))?;
        let Some(piece) = frame.data_ref() else { continue };
        let taken = piece.len().min(left);
        if keep {
            kept.extend_from_slice(&piece[..taken]);
        }
        if taken < piece.len() {
            return Ok((kept, true));
        }
        left -= taken;
    }
    Ok((kept, false))
}

/// The innermost cause: hyper's own words say where, and the phase does so already.
fn told(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
